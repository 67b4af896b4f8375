/* The trees, laid out for the walk: what a node is, how one is laid out anew, how a row goes down.

A node is eight bytes: its threshold, or its leaf value, and 32 bits that hold

    bits 0..13    the feature
    bit  14       a missing value goes right
    bit  15       the split is categorical; the threshold's bits are then the position of its set in `sets`
    bits 16..31   how many nodes after this one its left child stands, its right child one further; 0 in a leaf

Trees are laid out breadth first, so that every step goes forward: no walk can be endless, whatever the document says. */
#ifndef TREEWALK_TREES_H
#define TREEWALK_TREES_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define FEATURE_MASK 0x3fffu
#define MISSING_RIGHT 0x4000u
#define CATEGORICAL 0x8000u
#define STEP_SHIFT 16
#define MOST_FEATURES 0x4000
#define MOST_STEP 0xffff
#define LARGEST_CATEGORY 16777216.0f
#define MOST_SET_WORDS (1u << 24)
#define LANES 8  /* walks at once: each waits for memory while the others compute */
#define BLOCK 64 /* rows; their sums and features stay in the first cache */

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
    if (!(value >= 0.0f && value < LARGEST_CATEGORY))
        return 0;
    uint32_t category = (uint32_t)value, word = category >> 5;
    return word < set[0] ? set[1 + word] >> (category & 31) & 1u : 0;
}

/* How far the row goes from this node: 0 when it has arrived. No branch for numerical splits. */
static inline uint32_t step_from(Node node, const float *row, const uint32_t *sets, int categorical)
{
    float value = row[node.meta & FEATURE_MASK];
    uint32_t step = node.meta >> STEP_SHIFT;
    uint32_t missing = value != value;
    uint32_t right = (uint32_t)(value >= node.at.threshold);
    if (categorical && (node.meta & CATEGORICAL))
        right = missing ? 0 : in_set(sets + node.at.set, value);
    right |= missing & node.meta / MISSING_RIGHT;
    return step + (right & (step != 0));
}

/* One row down `count` (at most LANES) trees at once: their leaf values. */
static inline void walk_trees(const Trees *trees, uint32_t first, const float *row, float *values, int categorical)
{
    const Node *nodes = trees->nodes;
    uint32_t at[LANES], moved;
    for (int lane = 0; lane < LANES; lane++)
        at[lane] = trees->roots[first + (uint32_t)lane];
    do {
        moved = 0;
        for (int lane = 0; lane < LANES; lane++) {
            uint32_t step = step_from(nodes[at[lane]], row, trees->sets, categorical);
            at[lane] += step;
            moved |= step;
        }
    } while (moved);
    for (int lane = 0; lane < LANES; lane++)
        values[lane] = nodes[at[lane]].at.threshold;
}

/* LANES rows, `stride` floats apart, down one tree: their leaf values. */
static inline void walk_rows(const Trees *trees, uint32_t tree, const float *rows, size_t stride, float *values,
                             int categorical)
{
    const Node *nodes = trees->nodes;
    uint32_t at[LANES], moved;
    for (int lane = 0; lane < LANES; lane++)
        at[lane] = trees->roots[tree];
    do {
        moved = 0;
        for (int lane = 0; lane < LANES; lane++) {
            uint32_t step = step_from(nodes[at[lane]], rows + (size_t)lane * stride, trees->sets, categorical);
            at[lane] += step;
            moved |= step;
        }
    } while (moved);
    for (int lane = 0; lane < LANES; lane++)
        values[lane] = nodes[at[lane]].at.threshold;
}

static inline float walk_one(const Trees *trees, uint32_t tree, const float *row)
{
    const Node *node = trees->nodes + trees->roots[tree];
    for (uint32_t step; (step = step_from(*node, row, trees->sets, 1)) != 0;)
        node += step;
    return node->at.threshold;
}

/* One row down all trees; the sums are taken in the trees' order, as XGBoost takes them. */
static void sum_row(const Trees *trees, const float *row, float *sums)
{
    float values[LANES];
    uint32_t tree = 0;
    memcpy(sums, trees->margins, trees->outputs * sizeof(float));
    for (; tree + LANES <= trees->trees; tree += LANES) {
        if (trees->categorical)
            walk_trees(trees, tree, row, values, 1);
        else
            walk_trees(trees, tree, row, values, 0);
        for (uint32_t lane = 0; lane < LANES; lane++)
            sums[trees->groups[tree + lane]] += values[lane];
    }
    for (; tree < trees->trees; tree++)
        sums[trees->groups[tree]] += walk_one(trees, tree, row);
}

/* A block of at most BLOCK rows down all trees: a tree's nodes are fetched once for all of them. */
static void sum_block(const Trees *trees, const float *rows, size_t count, float *sums)
{
    float values[LANES];
    size_t outputs = trees->outputs, features = trees->features, whole = count - count % LANES;
    for (size_t row = 0; row < whole; row++)
        memcpy(sums + row * outputs, trees->margins, outputs * sizeof(float));
    for (uint32_t tree = 0; tree < trees->trees; tree++) {
        float *out = sums + trees->groups[tree];
        for (size_t row = 0; row < whole; row += LANES) {
            if (trees->categorical)
                walk_rows(trees, tree, rows + row * features, features, values, 1);
            else
                walk_rows(trees, tree, rows + row * features, features, values, 0);
            for (size_t lane = 0; lane < LANES; lane++)
                out[(row + lane) * outputs] += values[lane];
        }
    }
    for (size_t row = whole; row < count; row++)
        sum_row(trees, rows + row * features, sums + row * outputs);
}

/* Lays one tree out breadth first. NULL, or what is wrong with it. */
static const char *lay_out(Trees *trees, const Source *source, uint32_t tree, int64_t *queue)
{
    int64_t start = source->starts[tree], size = source->starts[tree + 1] - start, end = 1;
    Node *nodes = trees->nodes + start;
    trees->roots[tree] = (uint32_t)start;
    queue[0] = 0;
    for (int64_t here = 0; here < end; here++) {
        int64_t from = start + queue[here], left = source->left[from], set = source->set_of[from];
        nodes[here].at.threshold = source->condition[from];
        nodes[here].meta = 0;
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
        nodes[here].meta = (uint32_t)source->index[from] | (uint32_t)(end - here) << STEP_SHIFT
            | (source->default_left[from] ? 0 : MISSING_RIGHT);
        if (set >= 0) {
            nodes[here].at.set = (uint32_t)set;
            nodes[here].meta |= CATEGORICAL;
            trees->categorical = 1;
        }
        queue[end++] = left;
        queue[end++] = left + 1;
    }
    return NULL;
}

#endif
