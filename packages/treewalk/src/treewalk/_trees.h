/* The trees, laid out for the walk: what a node is, how one is laid out anew, how a row goes down.

A row of n features is walked as 2n + 1 inputs: its values; NaN, which leaves ask for; its values once more, with infinity
where one is missing. A split that sends a missing value right asks for the latter, so that no step asks what is missing.

A node is eight bytes: its threshold, or its leaf value, and 32 bits that hold

    bits 0..14    the input
    bit  15       the split is categorical; the threshold's bits are then the position of its set in `sets`
    bits 16..31   how many nodes after this one its left child stands, its right child one further; 0 in a leaf

Trees are laid out breadth first, so that every step goes forward: no walk can be endless, whatever the document says. */
#ifndef TREEWALK_TREES_H
#define TREEWALK_TREES_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define INPUT_MASK 0x7fffu
#define CATEGORICAL 0x8000u
#define STEP_SHIFT 16
#define MOST_FEATURES 0x3fff
#define MOST_STEP 0xffff
#define LARGEST_CATEGORY 16777216.0f
#define MOST_SET_WORDS (1u << 24)
#define MISSING_IN_SET (1u << 31) /* in a set's number of words: a missing value goes right */
#define LANES 16
#define LEVELS 8 /* after so many, it is looked whether all walks have arrived */
#define BLOCK 128 /* rows; their sums and features stay in the first cache */

typedef struct {
    union {
        float threshold;
        uint32_t set;
    } at;
    uint32_t meta;
} Node;

typedef struct {
    uint32_t features, outputs, trees;
    Node *nodes;
    uint32_t *roots;  /* per tree */
    uint32_t *depths; /* per tree: steps to its deepest leaf */
    int32_t *groups;  /* per tree: the output that it adds to */
    float *margins;   /* per output: what the sum starts from */
    uint32_t *sets;   /* at a categorical split's position: number of words, then a bit for each category */
    int categorical;
} Trees;

/* A document's trees, one array for all; `starts` has the first node of each tree and, at its end, their number. */
typedef struct {
    const int64_t *starts;
    const int32_t *left, *right, *index;
    const float *condition;
    const uint8_t *default_left;
    const int64_t *set_of; /* per node: position in `sets`, -1 for a numerical split */
} Source;

/* XGBoost: a category that isn't in the set goes left, and so does what is no category. */
static inline uint32_t in_set(const uint32_t *set, float value)
{
    if (value != value)
        return set[0] / MISSING_IN_SET;
    if (!(value >= 0.0f && value < LARGEST_CATEGORY))
        return 0;
    uint32_t category = (uint32_t)value, word = category >> 5;
    return word < set[0] % MISSING_IN_SET ? set[1 + word] >> (category & 31) & 1u : 0;
}

static inline size_t inputs_of(size_t features)
{
    return 2 * features + 1;
}

/* LANES walks, all to their leaves: `at` has where each begins and then where it has arrived.

A walk's value of input i stands at values[i * per_input + lane * per_lane]. A leaf asks for NaN: its comparison is false
and its step 0, so that who has arrived stays, without a test. */
static inline void go_down(const Trees *trees, uint32_t *at, uint32_t depth, const float *values, size_t per_input,
                           size_t per_lane, int categorical)
{
    const Node *nodes = trees->nodes;
    while (depth) {
        uint32_t levels = depth < LEVELS ? depth : LEVELS, moving = 0;
        for (uint32_t level = 0; level < levels; level++)
            for (size_t lane = 0; lane < LANES; lane++) {
                Node node = nodes[at[lane]];
                float value = values[(node.meta & INPUT_MASK) * per_input + lane * per_lane];
                uint32_t right = (uint32_t)(value >= node.at.threshold);
                if (categorical && node.meta & CATEGORICAL)
                    right = in_set(trees->sets + node.at.set, value);
                at[lane] += (node.meta >> STEP_SHIFT) + right;
            }
        depth -= levels;
        for (size_t lane = 0; depth && lane < LANES; lane++)
            moving |= nodes[at[lane]].meta >> STEP_SHIFT;
        if (!moving)
            return; /* a few long branches make a tree deep, and seldom is one of them taken */
    }
}

/* A feature's inputs, `stride` values apart: see above. */
static inline void put(float *inputs, size_t stride, size_t features, size_t feature, float value)
{
    inputs[feature * stride] = value;
    inputs[(features + 1 + feature) * stride] = value == value ? value : INFINITY;
}

/* One row, as inputs, down all trees; the sums are taken in the trees' order, as XGBoost takes them. */
static void sum_row(const Trees *trees, const float *inputs, float *sums)
{
    memcpy(sums, trees->margins, trees->outputs * sizeof(float));
    for (uint32_t tree = 0; tree < trees->trees; tree += LANES) {
        uint32_t at[LANES], depth = 0, some = trees->trees - tree < LANES ? trees->trees - tree : LANES;
        for (uint32_t lane = 0; lane < LANES; lane++) {
            uint32_t taken = tree + (lane < some ? lane : 0);
            at[lane] = trees->roots[taken];
            depth = trees->depths[taken] > depth ? trees->depths[taken] : depth;
        }
        if (trees->categorical)
            go_down(trees, at, depth, inputs, 1, 0, 1);
        else
            go_down(trees, at, depth, inputs, 1, 0, 0);
        for (uint32_t lane = 0; lane < some; lane++)
            sums[trees->groups[tree + lane]] += trees->nodes[at[lane]].at.threshold;
    }
}

/* A block's inputs, for add_walked: room for inputs_of(features) * BLOCK values. */
static void put_block(const float *rows, size_t count, size_t features, float *inputs)
{
    for (size_t row = 0; row < BLOCK; row++) {
        for (size_t feature = 0; feature < features; feature++)
            put(inputs + row, BLOCK, features, feature, row < count ? rows[row * features + feature] : 0.0f);
        inputs[features * BLOCK + row] = NAN;
    }
}

/* A block of at most BLOCK rows down one tree, whose leaves are added to their sums: its nodes are fetched once for all. */
static void add_walked(const Trees *trees, uint32_t tree, const float *inputs, size_t count, float *sums)
{
    for (size_t row = 0; row < count; row += LANES) {
        uint32_t at[LANES];
        for (size_t lane = 0; lane < LANES; lane++)
            at[lane] = trees->roots[tree];
        if (trees->categorical)
            go_down(trees, at, trees->depths[tree], inputs + row, BLOCK, 1, 1);
        else
            go_down(trees, at, trees->depths[tree], inputs + row, BLOCK, 1, 0);
        for (size_t lane = 0; lane < LANES && row + lane < count; lane++)
            sums[row + lane] += trees->nodes[at[lane]].at.threshold;
    }
}

/* Lays one tree out breadth first. NULL, or what is wrong with it. */
static const char *lay_out(Trees *trees, const Source *source, uint32_t tree, int64_t *queue)
{
    int64_t start = source->starts[tree], size = source->starts[tree + 1] - start, end = 1, level_end = 1;
    Node *nodes = trees->nodes + start;
    trees->roots[tree] = (uint32_t)start;
    trees->depths[tree] = 0;
    queue[0] = 0;
    for (int64_t here = 0; here < end; here++) {
        if (here == level_end) {
            trees->depths[tree]++;
            level_end = end;
        }
        int64_t from = start + queue[here], left = source->left[from], set = source->set_of[from];
        nodes[here].at.threshold = source->condition[from];
        nodes[here].meta = trees->features; /* the input that is NaN */
        if (left == -1)
            continue;
        /* XGBoost itself steps to the left child's neighbour, so it must be the right one */
        if (left < 0 || left >= size - 1 || source->right[from] != left + 1)
            return "a node's children don't stand side by side";
        if (source->index[from] < 0 || (uint32_t)source->index[from] >= trees->features)
            return "a node splits by a feature that the model doesn't have";
        if (end + 2 > size)
            return "a tree's nodes form a cycle";
        if (end - here > MOST_STEP)
            return "a tree is too broad";
        if (set < 0 && source->condition[from] != source->condition[from])
            return "a node's threshold is NaN";
        nodes[here].meta = (uint32_t)source->index[from] | (uint32_t)(end - here) << STEP_SHIFT;
        if (set >= 0) {
            nodes[here].at.set = (uint32_t)set;
            nodes[here].meta |= CATEGORICAL;
            trees->categorical = 1;
            if (!source->default_left[from])
                trees->sets[set] |= MISSING_IN_SET;
        } else if (!source->default_left[from]) {
            nodes[here].meta += trees->features + 1;
        }
        queue[end++] = left;
        queue[end++] = left + 1;
    }
    return NULL;
}

#endif
