/* XGBoost's links between a sum of leaves and a prediction, operation by operation in its float32 arithmetic. */
#ifndef TREEWALK_LINKS_H
#define TREEWALK_LINKS_H

#include <math.h>
#include <stddef.h>

enum { IDENTITY, SIGMOID, EXPONENTIAL, HINGE, SOFTMAX, ARGMAX, TRANSFORMS };
enum { PLAIN, LOGIT, LOGARITHM, LINKS };

static float sigmoid(float x)
{
    float negated = -x < 88.7f ? -x : 88.7f;
    float divisor = expf(x != x ? -x : negated) + 1.0f + 1e-16f;
    return 1.0f / divisor;
}

static float logit(float x)
{
    float bounded = x < 1e-6f ? 1e-6f : x;
    if (bounded > 1.0f - 1e-6f)
        bounded = 1.0f - 1e-6f;
    return -logf(1.0f / bounded - 1.0f);
}

static float margin_of(float base_score, int link)
{
    return link == LOGIT ? logit(base_score) : link == LOGARITHM ? logf(base_score) : base_score;
}

static float largest_of(const float *values, size_t count, size_t *where)
{
    *where = 0;
    for (size_t i = 1; i < count; i++)
        if (values[i] > values[*where])
            *where = i;
    return values[*where];
}

static void softmax(float *values, size_t count)
{
    size_t where;
    float largest = largest_of(values, count, &where);
    double sum = 0.0;
    for (size_t i = 0; i < count; i++) {
        values[i] = expf(values[i] - largest);
        sum += values[i];
    }
    for (size_t i = 0; i < count; i++)
        values[i] /= (float)sum;
}

/* `sums` of one row to its predictions; returns how many they are. */
static size_t transform(float *sums, size_t count, int kind, float *predictions)
{
    size_t largest;
    switch (kind) {
    case SOFTMAX:
        softmax(sums, count);
        break;
    case ARGMAX:
        largest_of(sums, count, &largest);
        predictions[0] = (float)largest;
        return 1;
    case SIGMOID:
        for (size_t i = 0; i < count; i++)
            sums[i] = sigmoid(sums[i]);
        break;
    case EXPONENTIAL:
        for (size_t i = 0; i < count; i++)
            sums[i] = expf(sums[i]);
        break;
    case HINGE:
        for (size_t i = 0; i < count; i++)
            sums[i] = sums[i] > 0.0f ? 1.0f : 0.0f;
        break;
    default:
        break;
    }
    for (size_t i = 0; i < count; i++)
        predictions[i] = sums[i];
    return count;
}

#endif
