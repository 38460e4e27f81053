// The metrics over HTTP, from a host in memory.

#include "scenario/controlled.hh"

#include <doctest/doctest.h>

namespace slirpstack {

TEST_CASE("metrics are answered over HTTP")
{
  Controlled controlled;
  controlled.plane.serve_metrics({.address = endpoint("127.0.0.1", 9000), .device = {}});
  const auto get = [&](const std::string& request) {
    controlled.world.host.listener(1).accepts(endpoint("127.0.0.1", 5000));
    FakeStream& client = controlled.world.host.last_stream();
    client.has(request);
    CHECK(client.closed());
    return client.sent();
  };
  CHECK(get("GET /health HTTP/1.1\r\nHost: x\r\n\r\n").ends_with("\r\n\r\nok\n"));
  const std::string metrics = get("GET /metrics?x=1 HTTP/1.0\r\n\r\n");
  CHECK(metrics.find("slirpstack_flows{protocol=\"tcp\"} 0\n") != std::string::npos);
  CHECK(metrics.ends_with("# EOF\n"));
  CHECK(get("HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n").ends_with("\r\n\r\n"));
  CHECK(get("GET /other HTTP/1.1\r\nHost: x\r\n\r\n").starts_with("HTTP/1.1 404"));
  CHECK(get("POST /metrics HTTP/1.1\r\nContent-Length: 2\r\n\r\nab").starts_with("HTTP/1.1 405"));
  CHECK(get("nonsense\r\n\r\n").starts_with("HTTP/1.1 400"));
  CHECK(get("GET /" + std::string(20000, 'a')).starts_with("HTTP/1.1 400"));
}

TEST_CASE("a Unix socket for metrics is its owner's, and a guest gets nothing there")
{
  Controlled controlled;
  controlled.plane.serve_metrics({.address = UnixPath{"/run/metrics"}, .device = {}});
  FakeListener& listener = controlled.world.host.listener(1);
  CHECK(listener.options().unix_mode == 0600);
  listener.accepts_confined();
  CHECK(controlled.world.host.last_stream().closed());
  listener.accepts(std::nullopt);
  FakeStream& client = controlled.world.host.last_stream();
  client.has("GET /health HTTP/1.1\r\n\r\n");
  CHECK(client.sent().ends_with("ok\n"));
}

} // namespace slirpstack
