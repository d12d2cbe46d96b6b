-- The commands of mix.py for wrk. After `--` come a name for the run, what is preferred, what stands
-- for the applicant, then for each step its path behind the application and its body. The version in an answer says which step comes next.

local threads = 0
local steps, waiting, sent = {}, {}, 0

function setup(thread)
   thread:set("number", threads)
   threads = threads + 1
end

function init(args)
   prefix = args[1] .. "-" .. number .. "-"
   prefer = args[2]
   applicant = args[3]
   for i = 4, #args, 2 do
      steps[#steps + 1] = { args[i], args[i + 1] }
   end
end

function request()
   sent = sent + 1
   local headers = { ["Content-Type"] = "application/json", ["Idempotency-Key"] = prefix .. sent }
   if prefer ~= "" then
      headers["Prefer"] = prefer
   end
   local next = table.remove(waiting)
   if next == nil then
      local body = steps[1][2]:gsub(applicant, prefix .. sent)
      return wrk.format("POST", "/loan/applications", headers, body)
   end
   local step = steps[next[2] + 1]
   return wrk.format("POST", "/loan/applications/" .. next[1] .. step[1], headers, step[2])
end

function response(status, headers, body)
   local id, version = body:match('^{"application_id":"([^"]+)","status":"[^"]+","version":(%d+)')
   if id ~= nil and tonumber(version) < #steps then
      waiting[#waiting + 1] = { id, tonumber(version) }
   end
end

function done(summary, latency, requests)
   local errors = summary.errors
   io.write(string.format(
      '\n{"requests":%d,"seconds":%.6f,"p50_seconds":%.6f,"p99_seconds":%.6f,"failed":%d}\n',
      summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e6,
      latency:percentile(99) / 1e6,
      errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
