/* Five bodies under gravity: subtractions, products, a square root and a quotient for each pair. */
#include "board.h"

#define BODIES 5
#define STEPS 400000

typedef struct {
    double at[3], speed[3], mass;
} body;

static body bodies[BODIES];

static double energy(void)
{
    double sum = 0;

    for (int i = 0; i < BODIES; i++) {
        const body *a = &bodies[i];
        sum += 0.5 * a->mass * (a->speed[0] * a->speed[0] + a->speed[1] * a->speed[1] + a->speed[2] * a->speed[2]);
        for (int j = i + 1; j < BODIES; j++) {
            const body *b = &bodies[j];
            double x = a->at[0] - b->at[0], y = a->at[1] - b->at[1], z = a->at[2] - b->at[2];
            sum -= a->mass * b->mass / __builtin_sqrt(x * x + y * y + z * z);
        }
    }
    return sum;
}

static void step(double dt)
{
    for (int i = 0; i < BODIES; i++) {
        body *a = &bodies[i];
        for (int j = i + 1; j < BODIES; j++) {
            body *b = &bodies[j];
            double x = a->at[0] - b->at[0], y = a->at[1] - b->at[1], z = a->at[2] - b->at[2];
            double square = x * x + y * y + z * z;
            double pull = dt / (square * __builtin_sqrt(square));
            double on_a = b->mass * pull, on_b = a->mass * pull;
            a->speed[0] -= x * on_a;
            a->speed[1] -= y * on_a;
            a->speed[2] -= z * on_a;
            b->speed[0] += x * on_b;
            b->speed[1] += y * on_b;
            b->speed[2] += z * on_b;
        }
    }
    for (int i = 0; i < BODIES; i++)
        for (int k = 0; k < 3; k++)
            bodies[i].at[k] += dt * bodies[i].speed[k];
}

int kernel(void)
{
    /* A sun and four planets on circles that lean a little; unit of length and time such that G is 1. */
    static const double radius[BODIES] = {0, 1, 2, 4, 7}, lean[BODIES] = {0, 0.02, -0.03, 0.01, 0.05};
    double before, drift, impulse = 0;

    for (int i = 0; i < BODIES; i++) {
        double speed = i ? 1 / __builtin_sqrt(radius[i]) : 0;
        bodies[i] = (body){{radius[i], 0, radius[i] * lean[i]}, {0, speed, 0}, i ? 1e-4 * (double)hidden((uint64_t)i) : 1};
        impulse += bodies[i].mass * speed;
    }
    bodies[0].speed[1] = -impulse;
    before = energy();
    for (int i = 0; i < STEPS; i++)
        step(0.001);
    /* The method keeps the energy up to its own error, and the impulse up to rounding. */
    drift = energy() / before - 1;
    for (int i = 0; i < BODIES; i++)
        impulse = (i ? impulse : 0) + bodies[i].mass * bodies[i].speed[1];
    return !(drift > -1e-3 && drift < 1e-3 && impulse > -1e-12 && impulse < 1e-12);
}
