-- Sends a fixed request, or many paths in turn, and prints what happened as one line of JSON.
-- Arguments after `--`: METHOD, file with the body or `-`, then the paths.
function init(args)
  wrk.method = args[1]
  if args[2] ~= '-' then
    local file = assert(io.open(args[2], 'rb'))
    wrk.body = file:read('*a')
    file:close()
    wrk.headers['content-type'] = 'application/json'
  end
  wrk.path = args[3]
  if #args > 3 then
    local prepared, turn = {}, 0
    for index = 3, #args do
      prepared[index - 2] = wrk.format(nil, args[index])
    end
    request = function()
      turn = turn % #prepared + 1
      return prepared[turn]
    end
  end
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    'RESULT {"requests":%d,"durationUs":%d,"p50Us":%.1f,"p99Us":%.1f,"connect":%d,"read":%d,"write":%d,"timeout":%d,"status":%d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.connect, errors.read, errors.write, errors.timeout, errors.status
  ))
end
