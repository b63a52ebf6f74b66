/* The ring queue of vmcore/_fast/ring.h for spin: two cells, two producers, two consumers that wait and take one record
 * each. With -DCLOSES there is one record less than consumers, and somebody who closes the queue.
 *
 * Checked: no record is lost or taken twice, a cell is never written while it is read, and nobody sleeps for ever
 * (an invalid end state is a lost wake-up). -DTRUST_INDEX, -DNO_PASS_ON and -DNO_LAST_CALL break one rule each, and spin
 * must then find an error. `tests/models/run` does all of that. Spin's memory is sequentially consistent; what weaker
 * memory adds is checked by tests/fast/test_ring_model.py.
 */
#define SIZE 2
#define CONSUMERS 2
#ifdef CLOSES
#define TOTAL 1
#else
#define TOTAL 2
#endif

byte tail, head, turn[SIZE], record[SIZE];
bool writing[SIZE], reading[SIZE];
bool closed;
byte sleepers, news, pushed, popped;
bool taken[TOTAL + 1];
chan bed = [CONSUMERS] of { byte };      /* who sleeps on the futex; a message to `wakes[i]` wakes */
chan wakes[CONSUMERS] = [1] of { bit };

/* Any sleeper may be the one that the kernel chooses: the bed is read at a random place. */
inline wake_one() {
    d_step { news++ }
    atomic {
        if
        :: len(bed) == 0 -> skip
        :: bed ?? [0] -> bed ?? 0; wakes[0] ! 1
        :: bed ?? [1] -> bed ?? 1; wakes[1] ! 1
        fi
    }
}

inline wake_all() {
    d_step { news++ }
    atomic {
        do
        :: len(bed) > 0 -> bed ? who; wakes[who] ! 1
        :: len(bed) == 0 -> break
        od
    }
}

/* One attempt of vmcore_ring_pop: `got` is 0 where nothing is ready. */
inline pop() {
    got = 0;
    at = head;
    do
    ::
#ifdef TRUST_INDEX
        if
        :: tail > at -> seen = at + 1
        :: else -> seen = 0
        fi;
#else
        seen = turn[at % SIZE];
#endif
        if
        :: seen == at + 1 ->
            atomic {
                if
                :: head == at -> head = at + 1; ready = true
                :: else -> at = head; ready = false
                fi
            }
            if
            :: ready -> break
            :: else
            fi
        :: else ->
            if
            :: seen < at + 1 && head == at -> ready = false; break
            :: else -> at = head
            fi
        fi
    od;
    if
    :: ready ->
        reading[at % SIZE] = true;
        assert(!writing[at % SIZE]);
        got = record[at % SIZE];
        reading[at % SIZE] = false;
        turn[at % SIZE] = at + SIZE
    :: else
    fi
}

proctype producer(byte mine) {
    byte at, seen, who;
    bool done;
    at = tail;
    do
    :: seen = turn[at % SIZE];
        if
        :: seen == at ->
            atomic {
                if
                :: tail == at -> tail = at + 1; done = true
                :: else -> at = tail; done = false
                fi
            }
            if
            :: done -> break
            :: else
            fi
        :: else -> at = tail
        fi
    od;
    writing[at % SIZE] = true;
    assert(!reading[at % SIZE]);
    record[at % SIZE] = mine;
    writing[at % SIZE] = false;
    turn[at % SIZE] = at + 1;
    if
    :: sleepers > 0 -> wake_one()
    :: else
    fi;
    pushed++
}

/* Closing keeps producers from claiming; here all have claimed when it comes (tail is what it will ever be), and may
 * still be at work on their cells. */
proctype closer() {
    byte who;
    tail == TOTAL;
    closed = true;
    wake_all()
}

/* One that takes one record, or learns that there will be none, and then is busy elsewhere for good. */
proctype consumer(byte me) {
    byte at, seen, got, key, who;
    bool ready, waited;
    do
    ::
        pop();
        if
        :: got > 0 ->
            assert(!taken[got]);
            taken[got] = true;
            popped++;
            if
            :: waited && sleepers > 0 ->
                if
#ifndef NO_LAST_CALL
                :: closed -> wake_all()
#endif
#ifndef NO_PASS_ON
                :: !closed && turn[head % SIZE] == head + 1 -> wake_one()
#endif
                :: else
                fi
            :: else
            fi;
            break
        :: got == 0 && closed && head == tail ->
#ifndef NO_LAST_CALL
            if
            :: waited && sleepers > 0 -> wake_all()
            :: else
            fi;
#endif
            break
        :: else ->
            waited = true;
            sleepers++;
            key = news;
            if
            :: turn[head % SIZE] != head + 1 && !(closed && head == tail) ->
                atomic {
                    if
                    :: news == key -> bed ! me
                    :: else -> wakes[me] ! 1
                    fi
                }
                wakes[me] ? 1
            :: else
            fi;
            sleepers--
        fi
    od
}

init {
    atomic {
        turn[0] = 0;
        turn[1] = 1;
        run producer(1);
#ifdef CLOSES
        run closer();
#else
        run producer(2);
#endif
        run consumer(0);
        run consumer(1)
    }
    _nr_pr == 1;
    assert(pushed == TOTAL && popped == TOTAL && head == tail)
}
