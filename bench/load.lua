-- The requests that wrk sends: one kind, or the mix, for many users and tasks.
-- Arguments: the kind or "mix", the file of targets, the first number of titles, the expected statuses.
-- A line of the file has a token, an ETag and ids, separated by tabs.

local MIX = {} -- of 100 requests: 50 list, 25 get, 12 create, 13 patch
for _, part in ipairs({ { "list", 50 }, { "get", 25 }, { "create", 12 }, { "patch", 13 } }) do
  for _ = 1, part[2] do table.insert(MIX, part[1]) end
end

local users, pairs_, work, sent = {}, {}, nil, 0
local right = {}
unexpected = 0

local threads = {}
function setup(thread) table.insert(threads, thread) end

local function shuffle(list)
  for i = #list, 2, -1 do
    local j = math.random(i)
    list[i], list[j] = list[j], list[i]
  end
end

function init(args)
  work = args[1]
  sent = tonumber(args[3])
  math.randomseed(sent)
  for status in args[4]:gmatch("%d+") do right[tonumber(status)] = true end
  local host = "Host: " .. wrk.headers["Host"] .. "\r\n"
  for line in io.lines(args[2]) do
    local token, etag, ids = line:match("^(%S+)\t([^\t]*)\t(.*)$")
    local user = { head = host .. "Authorization: Bearer " .. token .. "\r\n", etag = etag }
    table.insert(users, user)
    for id in ids:gmatch("%S+") do table.insert(pairs_, { user, id }) end
  end
  shuffle(users)
  shuffle(pairs_)
  shuffle(MIX)
end

local function with_body(line, user, body)
  local head = "Content-Type: application/json\r\nContent-Length: " .. #body .. "\r\n\r\n"
  return line .. " HTTP/1.1\r\n" .. user.head .. head .. body
end

local make = {}

function make.list(user) return "GET /api/v1/tasks?limit=20 HTTP/1.1\r\n" .. user.head .. "\r\n" end

function make.unchanged(user)
  return "GET /api/v1/tasks?limit=20 HTTP/1.1\r\n" .. user.head .. "If-None-Match: " .. user.etag .. "\r\n\r\n"
end

function make.get(user, id) return "GET /api/v1/tasks/" .. id .. " HTTP/1.1\r\n" .. user.head .. "\r\n" end

function make.create(user)
  return with_body("POST /api/v1/tasks", user, '{"title":"Buy milk ' .. sent .. '","description":"Two litres"}')
end

-- Each title is different. The service does not write a PATCH that changes nothing.
function make.patch(user, id)
  return with_body("PATCH /api/v1/tasks/" .. id, user, '{"title":"Buy bread ' .. sent .. '"}')
end

function make.delete(user, id) return "DELETE /api/v1/tasks/" .. id .. " HTTP/1.1\r\n" .. user.head .. "\r\n" end

local count = 0
function request()
  sent, count = sent + 1, count + 1
  local pair = pairs_[(count - 1) % #pairs_ + 1]
  local kind = work == "mix" and MIX[(count - 1) % #MIX + 1] or work
  if kind == "delete" and count > #pairs_ then unexpected = unexpected + 1 end -- each task can be deleted once
  if kind == "get" or kind == "patch" or kind == "delete" then return make[kind](pair[1], pair[2]) end
  return make[kind](users[(count - 1) % #users + 1])
end

function response(status)
  if not right[status] then unexpected = unexpected + 1 end
end

function done(summary, latency)
  local errors, lost = 0, summary.errors
  for _, thread in ipairs(threads) do errors = errors + thread:get("unexpected") end
  errors = errors + lost.connect + lost.read + lost.write + lost.timeout
  io.write(string.format(
    'RESULT {"requests":%d,"seconds":%.6f,"errors":%d,"p50":%.3f,"p95":%.3f,"p99":%.3f}\n',
    summary.requests, summary.duration / 1e6, errors,
    latency:percentile(50) / 1e3, latency:percentile(95) / 1e3, latency:percentile(99) / 1e3))
end
