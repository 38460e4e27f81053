#include "wire/ipv4_options.hh"

#include "sample.hh"

using namespace slirpstack;
using namespace sample;

TEST_CASE("a source route is found behind any options, and what hides one counts as one")
{
  struct Row
  {
    Bytes options;
    bool is_routed;
  };
  const Row rows[] = {
    {{}, false},
    {{131, 7, 4, 192, 0, 2, 1, 0}, true},
    {{137, 7, 4, 192, 0, 2, 1, 0}, true},
    {{1, 1, 1, 131}, true},
    {{7, 7, 4, 0, 0, 0, 0, 131, 3, 4, 0, 0}, true},
    {{7, 7, 4, 131, 137, 0, 0, 0}, false}, // within another option
    {{0x94, 4, 131, 137}, false},
    {{0, 131, 3, 4}, false}, // behind the end
    {{7, 1, 0, 0}, true},
    {{7, 0, 0, 0}, true},
    {{7, 5, 0, 0}, true},
    {{1, 1, 1, 7}, true},
  };
  for (const Row& row : rows) {
    Bytes packet(IPV4_HEADER_BYTES, 0);
    packet.insert(packet.end(), row.options.begin(), row.options.end());
    packet[0] = static_cast<std::uint8_t>(0x40U | packet.size() / 4);
    packet[3] = static_cast<std::uint8_t>(packet.size());
    CAPTURE(row.options.size());
    const auto header = IpHeader::parse(packet, HeaderChecksum::trusted);
    REQUIRE(header);
    packet.push_back(131); // of the payload
    CHECK(is_source_routed(*header, packet) == row.is_routed);
  }
}
