"""What the guest's programs must print, computed here once more in Python."""

from __future__ import annotations

import itertools
import struct

MASK = (1 << 64) - 1


def integer_sum(iterations: int) -> int:
    """Return the sum that ``bench``'s integer loop (xorshift64*) ends with."""
    state, total = 88172645463325252, 0
    for _ in range(iterations):
        state ^= state >> 12
        state = (state ^ state << 25) & MASK
        state ^= state >> 27
        total = (total + state * 0x2545F4914F6CDD1D) & MASK
    return total


def memory_last(iterations: int) -> tuple[int, int]:
    """Return how often ``bench``'s memory loop goes round for so many iterations, and the last word after that."""
    size, done = 1 << 17, 0
    words = list(range(size))
    while done < iterations:
        words = [word & MASK for word in itertools.accumulate(words)]
        done += size - 1
    return done, words[-1]


def pi_text(iterations: int) -> str:
    """Return what ``bench`` says of pi: the same additions, and Python's floats are the same doubles."""
    total, sign = 0.0, 4.0
    for i in range(iterations):
        total += sign / (2 * i + 1)
        sign = -sign
    micros = int(total * 1000000)
    return f"{micros // 1000000}.{micros % 1000000:06d}"


def mandelbrot(limit: int) -> tuple[list[str], int]:
    """Return the picture that ``mandelbrot LIMIT`` draws, and the number of iterations that it took."""
    shades, width, height, total = " .,:;-~=+*oxOX%#", 78, 24, 0
    picture = []
    for row in range(height):
        line = ""
        for column in range(width):
            cx, cy = -2.3 + 3.3 * column / (width - 1), -1.15 + 2.3 * row / (height - 1)
            x = y = 0.0
            n = 0
            while n < limit and x * x + y * y <= 4:
                x, y = x * x - y * y + cx, 2 * x * y + cy
                n += 1
            total += n
            line += "@" if n == limit else shades[min(n, len(shades) - 1)]
        picture.append(line)
    return picture, total


def primes(n: int) -> list[int]:
    """Return the primes up to n."""
    composite = bytearray(n + 1)
    for i in range(2, int(n**0.5) + 1):
        if not composite[i]:
            composite[i * i :: i] = b"\1" * len(range(i * i, n + 1, i))
    return [i for i in range(2, n + 1) if not composite[i]]


def worker_result(pid: int, rounds: int) -> int:
    """Return the state of a ``worker``'s generator, which starts with its pid and steps 200000 times a round."""
    # n steps of x -> a x + c are one such map; squaring it finds it in log n steps.
    multiplier, increment, steps = 6364136223846793005, 1442695040888963407, rounds * 200000
    a, c = 1, 0
    while steps:
        if steps & 1:
            a, c = a * multiplier & MASK, (c * multiplier + increment) & MASK
        multiplier, increment = multiplier * multiplier & MASK, (multiplier + 1) * increment & MASK
        steps >>= 1
    return (a * pid + c) & MASK


def filled(sector: int, sectors: int) -> bytes:
    """Return what ``disk fill SECTOR COUNT`` writes: splitmix64 of each word's place."""
    out = bytearray()
    for i in range(sector * 64, (sector + sectors) * 64):
        z = (i + 1) * 0x9E3779B97F4A7C15 & MASK
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & MASK
        z = (z ^ z >> 27) * 0x94D049BB133111EB & MASK
        out += struct.pack("<Q", z ^ z >> 31)
    return bytes(out)
