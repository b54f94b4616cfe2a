-- Copies the bodies of a sampled request into its metadata while they stream past. Nothing waits
-- for it: chunks are read with bodyChunks, and never the body as a whole.
--
-- Before this text stands a line that sets max_body, the bytes that are copied of each body.

local NAMESPACE = "model_rollouts.capture"

-- Each worker of the proxy has a Lua VM of its own. A gap between the numbers of one boot is a
-- record that was lost. Numbers are given when an answer has passed: given earlier, those of slow
-- answers would be missed while others come.
local function random_id()
  local file = assert(io.open("/dev/urandom", "rb"))
  local bytes = file:read(8)
  file:close()
  return (bytes:gsub(".", function(byte) return string.format("%02x", byte:byte()) end))
end

local boot = random_id()
local sequence = 0

local function tell(handle, key, value)
  -- Fetched for each write: whatever was fetched before a body was read is dead after it.
  handle:streamInfo():dynamicMetadata():set(NAMESPACE, key, value)
end

-- How many bytes the character that begins with the byte `first` has, nil when none does.
local function size_of(first, second)
  if first < 128 then return 1 end
  if first >= 194 and first <= 223 then return 2 end
  if first >= 224 and first <= 239 then
    if first == 224 and second and second < 160 then return nil end
    if first == 237 and second and second > 159 then return nil end
    return 3
  end
  if first >= 240 and first <= 244 then
    if first == 240 and second and second < 144 then return nil end
    if first == 244 and second and second > 143 then return nil end
    return 4
  end
  return nil
end

-- How many bytes of `text` are whole characters of UTF-8, nil when some are none. The last
-- character may be cut. Envoy would write nothing of a string that is no UTF-8, and of one with a
-- zero only what stands before it.
local function characters(text)
  if text:find("\0", 1, true) then return nil end
  local at = text:find("[\128-\255]")
  local length = #text
  while at do
    local size = size_of(text:byte(at, at + 1))
    if not size then return nil end
    for next = at + 1, math.min(at + size - 1, length) do
      local byte = text:byte(next)
      if byte < 128 or byte > 191 then return nil end
    end
    if at + size - 1 > length then return at - 1 end
    at = at + size
    local byte = text:byte(at)
    if not byte then break end
    if byte < 128 then at = text:find("[\128-\255]", at) end
  end
  return length
end

local function copy(handle, side)
  local parts, kept, length = {}, 0, 0
  for chunk in handle:bodyChunks() do
    local size = chunk:length()
    length = length + size
    local wanted = math.min(size, max_body - kept)
    if wanted > 0 then
      parts[#parts + 1] = chunk:getBytes(0, wanted)
      kept = kept + wanted
    end
  end
  local bytes = table.concat(parts)
  local whole = characters(bytes)
  if whole and (whole == kept or length > kept) then
    tell(handle, side, bytes:sub(1, whole))
  else
    tell(handle, side, handle:base64Escape(bytes))
    tell(handle, side .. "_base64", true)
  end
  tell(handle, side .. "_length", length)
end

function envoy_on_request(handle)
  tell(handle, "boot", boot)
  copy(handle, "in")
end

function envoy_on_response(handle)
  copy(handle, "out")
  sequence = sequence + 1
  tell(handle, "seq", sequence)
end
