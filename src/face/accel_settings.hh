#pragma once

#include "face/config.hh"
#include "face/option_values.hh"

namespace slirpstack {

/// Reads the options about the accelerator, and finds their mistakes in each other. Throws
/// UsageError.
void apply_accel_options(const OptionValues& values, Config& config);

/// Throws UsageError where the accelerator, or more than one guest, does not go with what else the
/// configuration asks for.
void check_acceleration(const Config& config);

/// Throws UsageError where addresses and ports do not fit each other.
void check_nat(const Config::Acceleration& asked);

/// `FIRST-LAST` between 1 and 65535. Throws BadValue.
[[nodiscard]] PortRange parse_external_ports(std::string_view text);

/// Addresses that packets of the world can be sent to. Throws BadValue.
[[nodiscard]] std::vector<AddressRange> parse_external_addresses(std::string_view text);

/// Adds the networks of a list. Throws BadValue.
void add_internal_networks(std::string_view text, std::vector<Prefix>& networks);

/// Adds the networks, or addresses, of a list of what is not translated. Throws BadValue.
void add_exempt_networks(std::string_view text, std::vector<Prefix>& networks);

} // namespace slirpstack
