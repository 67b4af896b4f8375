-- The requests of a file, one body a line, in turn; the figures as one line of JSON.
local requests, position = {}, 0

function init(args)
  local headers = {["Content-Type"] = "application/json"}
  for body in io.lines(os.getenv("BENCH_BODIES")) do
    requests[#requests + 1] = wrk.format("POST", nil, headers, body)
  end
end

function request()
  position = position % #requests + 1
  return requests[position]
end

function done(summary, latency, _)
  local e = summary.errors
  io.write(string.format(
    'FIGURES {"requests": %d, "microseconds": %d, "p50_us": %.1f, "p99_us": %.1f, ' ..
    '"statuses": %d, "sockets": %d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    e.status, e.connect + e.read + e.write + e.timeout))
end
