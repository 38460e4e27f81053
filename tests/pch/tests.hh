// What most tests include of the system, parsed once per program where b_pch is on. Nothing of
// ours: what a test may see of the layers is what its target says.
#include <array>
#include <chrono>
#include <cstdint>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>
