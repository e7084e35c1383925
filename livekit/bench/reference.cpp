// The C++ reference of `livekit bench ring`: the same ring, the same memory, the same
// work per event, by hand. Usage: reference MODE FILE EVENTS CORE, with MODE one of
// produce consume push pop ping pong. Prints its nanoseconds and its checksum.
//
// ping and pong use two rings: FILE and FILE.back.

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>

#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <immintrin.h>
static inline void relax() { _mm_pause(); }
#else
static inline void relax() { asm volatile("yield"); }
#endif

constexpr std::size_t kHeader = 512, kTail = 0, kHead = 128, kControl = 512, kLine = 64;
constexpr std::int64_t kWarmUp = 1000;

struct Event {
    std::int64_t word[8];
};
static_assert(sizeof(Event) == kLine, "an event is one line");
static_assert(sizeof(std::atomic<std::int64_t>) == 8, "a cursor is one word");

class Ring {
public:
    explicit Ring(const std::string& path) {
        const int file = ::open(path.c_str(), O_RDWR);
        struct stat status {};
        if (file < 0 || ::fstat(file, &status) != 0) {
            std::perror(path.c_str());
            std::exit(1);
        }
        void* const map = ::mmap(nullptr, static_cast<std::size_t>(status.st_size),
                                 PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, file, 0);
        if (map == MAP_FAILED) {
            std::perror("mmap");
            std::exit(1);
        }
        auto* const bytes = static_cast<unsigned char*>(map);
        std::memcpy(&capacity_, bytes + 256, 8);
        mask_ = capacity_ - 1;
        tail_ = reinterpret_cast<std::atomic<std::int64_t>*>(bytes + kHeader + kTail);
        head_ = reinterpret_cast<std::atomic<std::int64_t>*>(bytes + kHeader + kHead);
        slots_ = reinterpret_cast<Event*>(bytes + kHeader + kControl);
    }

    void start_producer() {
        own_ = tail_->load(std::memory_order_relaxed);
        other_ = head_->load(std::memory_order_acquire);
    }
    void start_consumer() {
        own_ = head_->load(std::memory_order_relaxed);
        other_ = own_;
    }

    Event* claim() {
        if (own_ - other_ >= capacity_) {
            other_ = head_->load(std::memory_order_acquire);
            if (own_ - other_ >= capacity_) return nullptr;
        }
        return &slots_[own_ & mask_];
    }
    void commit() { tail_->store(++own_, std::memory_order_release); }

    Event* peek() {
        if (own_ == other_) {
            other_ = tail_->load(std::memory_order_acquire);
            if (own_ == other_) return nullptr;
        }
        return &slots_[own_ & mask_];
    }
    void release() { head_->store(++own_, std::memory_order_release); }

    bool push(const Event& event) {
        Event* const slot = claim();
        if (slot == nullptr) return false;
        *slot = event;
        commit();
        return true;
    }
    bool pop(Event& event) {
        const Event* const slot = peek();
        if (slot == nullptr) return false;
        event = *slot;
        release();
        return true;
    }

private:
    std::atomic<std::int64_t>* tail_ = nullptr;
    std::atomic<std::int64_t>* head_ = nullptr;
    Event* slots_ = nullptr;
    std::int64_t capacity_ = 0, mask_ = 0, own_ = 0, other_ = 0;
};

static std::int64_t now() {
    timespec time{};
    clock_gettime(CLOCK_MONOTONIC, &time);
    return static_cast<std::int64_t>(time.tv_sec) * 1000000000 + time.tv_nsec;
}

static inline void fill(Event& event, std::int64_t i) {
    event.word[0] = 1;
    for (int k = 1; k < 8; ++k) event.word[k] = i + k;
}

static inline std::int64_t sum(const Event& event) {
    std::int64_t total = 0;
    for (int k = 1; k < 8; ++k) total += event.word[k];
    return total;
}

static std::int64_t produce(Ring& ring, std::int64_t n) {
    ring.start_producer();
    for (std::int64_t i = 0; i < n; ++i) {
        Event* slot;
        while ((slot = ring.claim()) == nullptr) relax();
        fill(*slot, i);
        ring.commit();
    }
    return n;
}

static std::int64_t started = 0;

// Both sides' clocks start when events flow: the producer's with the first, the
// consumer's once it sees one.
static void await_first(Ring& ring) {
    ring.start_consumer();
    while (ring.peek() == nullptr) relax();
    started = now();
}

static std::int64_t consume(Ring& ring, std::int64_t n) {
    await_first(ring);
    std::int64_t total = 0;
    for (std::int64_t i = 0; i < n; ++i) {
        const Event* slot;
        // As in kernels.py: an empty ring is looked at again after about 3 microseconds.
        while ((slot = ring.peek()) == nullptr)
            for (int k = 0; k < 64; ++k) relax();
        total += sum(*slot);
        ring.release();
    }
    return total;
}

static std::int64_t push(Ring& ring, std::int64_t n) {
    ring.start_producer();
    Event event;
    for (std::int64_t i = 0; i < n; ++i) {
        fill(event, i);
        while (!ring.push(event)) relax();
    }
    return n;
}

static std::int64_t pop(Ring& ring, std::int64_t n) {
    await_first(ring);
    Event event;
    std::int64_t total = 0;
    for (std::int64_t i = 0; i < n; ++i) {
        while (!ring.pop(event)) relax();
        total += sum(event);
    }
    return total;
}

static std::int64_t echo(Ring& out, Ring& back, std::int64_t n, bool is_first) {
    out.start_producer();
    back.start_consumer();
    std::int64_t total = 0;
    for (std::int64_t i = -kWarmUp; i < n; ++i) {
        if (i == 0) started = now();
        if (is_first) {
            fill(*out.claim(), i);
            out.commit();
        }
        const Event* slot;
        while ((slot = back.peek()) == nullptr) relax();
        total += sum(*slot);
        back.release();
        if (!is_first) {
            fill(*out.claim(), i);
            out.commit();
        }
    }
    return total;
}

int main(int argc, char** argv) {
    if (argc != 5) return 2;
    const std::string mode = argv[1], path = argv[2];
    const std::int64_t n = std::atoll(argv[3]);
    const int core = std::atoi(argv[4]);
    if (core >= 0) {
        cpu_set_t set;
        CPU_ZERO(&set);
        CPU_SET(core, &set);
        sched_setaffinity(0, sizeof set, &set);
    }
    Ring ring(path);
    started = now();
    std::int64_t total = 0;
    if (mode == "produce") total = produce(ring, n);
    else if (mode == "consume") total = consume(ring, n);
    else if (mode == "push") total = push(ring, n);
    else if (mode == "pop") total = pop(ring, n);
    else if (mode == "ping" || mode == "pong") {
        Ring back(path + ".back");
        total = mode == "ping" ? echo(ring, back, n, true) : echo(back, ring, n, false);
    } else return 2;
    std::printf("[%lld, %lld]\n", static_cast<long long>(now() - started),
                static_cast<long long>(total));
    return 0;
}
