#include "host/resolver_job.hh"

#include <fmt/format.h>
#include <stdexcept>

namespace slirpstack {

Resolver::Listener::Listener(Job& job, std::function<void(const LookupAnswer&)> done)
  : job_(&job), place_(job.add(*this)), done_(std::move(done))
{}

Resolver::Listener::~Listener()
{
  if (job_ != nullptr) {
    job_->remove(place_);
  }
}

Resolver::Job::~Job()
{
  for (Listener* const listener : listeners_) {
    listener->job_has_gone();
  }
}

void Resolver::Job::start()
{
  if (const auto literal = IpAddress::parse(name_.name); literal && !name_.server) {
    finish({.addresses = {*literal}, .error = {}});
  } else if (!name_.server) {
    ask_system(name_.name, [this](const LookupAnswer& answer) { finish(answer); });
  } else if (const auto server = IpAddress::parse(name_.server->host)) {
    ask_server(*server);
  } else {
    ask_system(name_.server->host, [this](const LookupAnswer& answer) {
      if (answer.addresses.empty()) {
        finish(srv_failure());
      } else {
        next_step_ = [this, server = answer.addresses.front()] { ask_server(server); };
        resolver_.on_job_done();
      }
    });
  }
}

bool Resolver::Job::take_next_step()
{
  if (const auto step = std::exchange(next_step_, nullptr)) {
    step();
    return true;
  }
  return !finished_;
}

void Resolver::Job::finish(const LookupAnswer& answer)
{
  answer_ = answer;
  finished_ = true;
  resolver_.on_job_done();
}

std::list<Resolver::Listener*>::iterator Resolver::Job::add(Listener& listener)
{
  return listeners_.insert(listeners_.end(), &listener);
}

void Resolver::Job::remove(std::list<Listener*>::iterator place)
{
  listeners_.erase(place);
  if (listeners_.empty() && !finished_) {
    query_.reset(); // nobody wants to know
    finished_ = true;
    resolver_.on_job_done();
  }
}

Resolver::Listener* Resolver::Job::take_listener()
{
  if (listeners_.empty()) {
    return nullptr;
  }
  Listener* const listener = listeners_.front();
  listeners_.pop_front();
  listener->job_has_gone();
  return listener;
}

void Resolver::Job::ask(const std::string& server, std::chrono::milliseconds patience)
{
  query_ = std::make_unique<NameQuery>(resolver_.loop_, server, patience);
}

void Resolver::Job::ask_system(const std::string& name, NameQuery::Done done)
{
  try {
    ask("", resolver_.timeouts_.system);
    query_->ask_addresses(name, std::move(done));
  } catch (const std::runtime_error& error) {
    finish({.addresses = {}, .error = fmt::format("lookup {}: {}", name, error.what())});
  }
}

void Resolver::Job::ask_server(const IpAddress& server)
{
  try {
    ask(Endpoint{server, name_.server->port}.to_string(), resolver_.timeouts_.srv);
  } catch (const std::runtime_error&) {
    finish(srv_failure());
    return;
  }
  query_->ask_service(name_.name, [this](const NameQuery::Service& service) {
    if (service.target.empty()) {
      finish(srv_failure());
      return;
    }
    query_->ask_addresses(
      service.target, [this, service](const LookupAnswer& answer) { on_target(service, answer); });
  });
}

void Resolver::Job::on_target(const NameQuery::Service& service, LookupAnswer answer)
{
  answer.port = service.port;
  if (!answer.addresses.empty()) {
    finish(answer);
    return;
  }
  // The server does not know its own record's target: perhaps the system does.
  next_step_ = [this, service] {
    ask_system(service.target, [this, port = service.port](LookupAnswer system) {
      system.port = port;
      finish(system);
    });
  };
  resolver_.on_job_done();
}

LookupAnswer Resolver::Job::srv_failure() const
{
  return {.addresses = {},
          .error = fmt::format("Failed to lookup SRV \"{}\" on \"{}:{}\"",
                               name_.name,
                               name_.server->host,
                               name_.server->port)};
}

} // namespace slirpstack
