-- One number that all workers, old and new, read with a plain memory load: it moves after each change
-- of the route or host tables. A file in the run directory, mapped by every worker: reading a shared
-- dict for each request instead would cost as much as the rest of the fast lane.
local ffi = require "ffi"

ffi.cdef [[
int open(const char *path, int flags, int mode);
int ftruncate(int fd, long length);
void *mmap(void *start, size_t length, int protection, int flags, int fd, long offset);
int close(int fd);
]]

local O_RDWR, O_CREAT, O_CLOEXEC = 2, 64, 524288
local PROT_READ_WRITE, MAP_SHARED = 3, 1
local SIZE = 4096

local version = {}
local page

-- Maps the file; called once in the master, the workers inherit the mapping.
function version.map(path)
    local fd = ffi.C.open(path, O_RDWR + O_CREAT + O_CLOEXEC, 384)
    assert(fd >= 0, "cannot open " .. path)
    assert(ffi.C.ftruncate(fd, SIZE) == 0, "cannot size " .. path)
    local start = ffi.C.mmap(nil, SIZE, PROT_READ_WRITE, MAP_SHARED, fd, 0)
    ffi.C.close(fd)
    assert(ffi.cast("intptr_t", start) ~= -1, "cannot map " .. path)
    page = ffi.cast("volatile uint32_t *", start)
    return page
end

function version.page()
    return page
end

-- Says that the tables have changed. The dict hands out the number, because after a reload the old
-- and the new worker 0 may both be here for a moment.
function version.move(state)
    local number = state:incr("version", 1, 0)
    page[0] = number % 4294967296
end

return version
