-- The requests that wrk sends. MODE selects them; AUTHORIZATION, BODY and TOKENS come from bench/run in the environment, so
-- that no secret is in an argument. wrk runs with one thread, so one queue serves all connections.
--   fixed     the same request over and over
--   refresh   refresh tokens: each request takes one, and its answer puts the successor back
--   both      tokens are issued, and each is introspected once (with READER's authorization)

local mode = os.getenv("MODE")
local form = { ["Authorization"] = os.getenv("AUTHORIZATION"), ["Content-Type"] = "application/x-www-form-urlencoded" }
local queue, verified, threads = {}, false, {}
done_count, odd_count = 0, 0 -- global, so that done() can read them from each thread

for token in (os.getenv("TOKENS") or ""):gmatch("%S+") do queue[#queue + 1] = token end

function setup(thread) threads[#threads + 1] = thread end

if mode == "fixed" then
  wrk.method, wrk.headers, wrk.body = "POST", form, os.getenv("BODY")
end

if mode == "refresh" then
  function request()
    -- wrk asks for one request before it connects, and does not send it.
    local token = verified and table.remove(queue, 1) or queue[1] or "none-left"
    verified = true
    return wrk.format("POST", nil, form, "grant_type=refresh_token&refresh_token=" .. token)
  end
  function response(_, _, body)
    local token = body:match('"refresh_token":"([^"]+)"')
    if token then queue[#queue + 1] = token else odd_count = odd_count + 1 end
  end
end

if mode == "both" then
  local reader = { ["Authorization"] = os.getenv("READER"), ["Content-Type"] = form["Content-Type"] }
  function request()
    local token = table.remove(queue)
    if token then return wrk.format("POST", "/auth/introspect", reader, "token=" .. token) end
    return wrk.format("POST", "/auth/token", form, os.getenv("BODY"))
  end
  function response(_, _, body)
    local token = body:match('"access_token":"([^"]+)"')
    if token then
      queue[#queue + 1] = token
    elseif body:find('"active":true', 1, true) then
      done_count = done_count + 1
    else
      odd_count = odd_count + 1
    end
  end
end

function done(summary, latency)
  local errors, odd, count = summary.errors, 0, 0
  for _, thread in ipairs(threads) do
    odd, count = odd + thread:get("odd_count"), count + thread:get("done_count")
  end
  io.write(string.format('\nRESULT {"requests":%d,"seconds":%f,"refused":%d,"broken":%d,"odd":%d,"count":%d,'
    .. '"p50":%d,"p99":%d}\n', summary.requests, summary.duration / 1e6, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout, odd, count,
    latency:percentile(50), latency:percentile(99)))
end
