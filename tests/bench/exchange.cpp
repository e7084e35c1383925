// A C++17 producer and consumer built against the header that `livekit abi` prints.
// Usage: exchange produce|consume FILE EVENTS. Ends with 0 when every word was right.
#include "livekit.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/stat.h>

static std::int64_t mix(std::int64_t value) {
    auto word = static_cast<std::uint64_t>(value);
    word = (word ^ (word >> 30)) * 0xBF58476D1CE4E5B9ULL;
    word = (word ^ (word >> 27)) * 0x94D049BB133111EBULL;
    return static_cast<std::int64_t>(word ^ (word >> 31));
}

// A trade whose every field is a function of its sequence.
static void fill(lk_trade& trade, std::int64_t sequence) {
    std::memset(&trade, 0, sizeof trade);
    trade.kind = LK_KIND_TRADE;
    trade.instrument = static_cast<std::uint16_t>(sequence % 1000);
    trade.aux = static_cast<std::uint32_t>(sequence % 2);
    trade.sequence = static_cast<std::uint64_t>(sequence);
    trade.ts_event = mix(sequence * 8 + 2);
    trade.ts_recv = mix(sequence * 8 + 3);
    trade.price = static_cast<double>(sequence) * 0.5;
    trade.size = 1.0 / static_cast<double>(sequence + 1);
    trade.trade_id = mix(sequence * 8 + 6);
    trade.published = static_cast<std::uint32_t>(mix(sequence * 8 + 7));
}

int main(int argc, char** argv) {
    if (argc != 4) return 2;
    const bool is_producer = std::string(argv[1]) == "produce";
    const std::int64_t n = std::atoll(argv[3]);
    const int file = open(argv[2], O_RDWR | O_CLOEXEC);
    struct stat status {};
    if (file < 0 || fstat(file, &status) != 0) return 3;
    void* const map = mmap(nullptr, static_cast<std::size_t>(status.st_size),
                           PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    lk_side side;
    if (map == MAP_FAILED || lk_queue_side(&side, map, is_producer) != 0) return 4;
    for (std::int64_t sequence = 0; sequence < n; ++sequence) {
        lk_trade expected;
        fill(expected, sequence);
        if (is_producer) {
            while (lk_push(&side, &expected) == 0) {
                if (side.broken) return 5;
                sched_yield();
            }
            lk_ring_bell(&side);
        } else {
            const void* slot;
            while ((slot = lk_peek(&side)) == nullptr) {
                if (side.broken) return 6;
                lk_sleep(&side, 2000000);
            }
            if (std::memcmp(slot, &expected, sizeof expected) != 0) return 7;
            lk_release(&side);
        }
    }
    return 0;
}
