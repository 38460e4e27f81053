/* What lwIP asks of its compiler and platform. The functions are the program's: src/stack. */
#ifndef SLIRPSTACK_LWIP_ARCH_CC_H
#define SLIRPSTACK_LWIP_ARCH_CC_H

#include <endian.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C"
{
#endif

/* 32 unpredictable bits. */
uint32_t slirpstack_random(void);

/* Reports a broken invariant of lwIP and aborts; `text` and `file` are literals. */
__attribute__((noreturn)) void slirpstack_lwip_assert(const char* text, const char* file, int line);

#ifdef __cplusplus
}
#endif

#define LWIP_RAND() slirpstack_random()

/* lwIP's diagnostics would go to stdout, which belongs to the guest's command. */
#define LWIP_PLATFORM_DIAG(message)                                                               \
  do {                                                                                            \
  } while (0)

/* lwIP's asserts guard its own lists as well as its callers: a guest that breaks one has found a
   bug. A release leaves them to
   the tests and the fuzzers. */
#ifdef NDEBUG
#define LWIP_NOASSERT 1
#endif
#define LWIP_PLATFORM_ASSERT(text) slirpstack_lwip_assert(text, __FILE__, __LINE__)

/* One instruction instead of lwIP's function call per header field. */
#if BYTE_ORDER == LITTLE_ENDIAN
#define LWIP_DONT_PROVIDE_BYTEORDER_FUNCTIONS 1
#define lwip_htons(value) __builtin_bswap16((uint16_t)(value))
#define lwip_htonl(value) __builtin_bswap32((uint32_t)(value))
#endif

#endif
