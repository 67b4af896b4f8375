/* Batches by AVX-512: 64 rows a step, each row's place in a tree and each of its values a byte.

XGBoost's histograms leave few different thresholds to a feature, at most 256. Where they are at most MOST_THRESHOLDS, a
value counts only by its rank among them: how many of them are not above it. A split then compares two bytes, and what it
compares with and by which feature stands in tables of 64 bytes, which one instruction (vpermb) looks up for 64 rows.

A tree is ranked if it is at most MOST_DEPTH deep and splits only by ranks. It is laid out as a heap that begins at 1: the
children of h are 2h and 2h + 1, so the nodes of the first six levels fill one table, those of the seventh another, those
of the eighth two, and the leaves, in their level or below a leaf higher up, come out at h modulo 256. */
#ifndef TREEWALK_RANKS_H
#define TREEWALK_RANKS_H

#include <Python.h>

#include "_trees.h"

#define HEAP 256
#define MOST_DEPTH 8
#define MOST_THRESHOLDS 254
#define MOST_RANKED 32   /* features; with more, the choice among them takes as long as the walk */
#define GROUP 16         /* of them */
#define MISSING_RANK 255 /* above every code, so a missing value goes right if nothing else is said */
#define MISSING_LEFT 0x80
#define NOT_RANKED UINT32_MAX

typedef struct {
    uint8_t splits[HEAP]; /* the ranked feature, and MISSING_LEFT */
    uint8_t codes[HEAP];  /* the lowest rank that goes right */
    float leaves[HEAP];
    uint32_t depth;
} RankedTree;

typedef struct {
    uint32_t features;                       /* how many are ranked */
    uint32_t count;                          /* ranked trees */
    uint32_t feature[MOST_RANKED];           /* number of each in a row */
    float thresholds[MOST_RANKED][HEAP];     /* ascending, then NaN */
    RankedTree *trees;
    uint32_t *of; /* per tree of the model: its ranked form, or NOT_RANKED */
} Ranks;

static int ascending(const void *left, const void *right)
{
    float a = *(const float *)left, b = *(const float *)right;
    return (a > b) - (a < b);
}

static inline int is_leaf(Node node)
{
    return node.meta >> STEP_SHIFT == 0;
}

/* A split's feature; its inputs are before and after those of NaN. */
static inline uint32_t feature_of(Node node, uint32_t features, int *missing_left)
{
    uint32_t input = node.meta & INPUT_MASK;
    *missing_left = input < features;
    return *missing_left ? input : input - features - 1;
}

/* Ranks a feature by its thresholds, of which no more than MOST_THRESHOLDS go together; `found` is sorted. */
static void rank_feature(Ranks *ranks, uint32_t feature, float *found, size_t count)
{
    size_t distinct = 0;
    qsort(found, count, sizeof(float), ascending);
    for (size_t i = 0; i < count; i++)
        if (!distinct || found[distinct - 1] < found[i])
            found[distinct++] = found[i];
    for (size_t done = 0; done < distinct && ranks->features < MOST_RANKED; done += MOST_THRESHOLDS) {
        float *thresholds = ranks->thresholds[ranks->features];
        for (size_t i = 0; i < HEAP; i++)
            thresholds[i] = i < MOST_THRESHOLDS && done + i < distinct ? found[done + i] : NAN;
        ranks->feature[ranks->features++] = feature;
    }
}

/* How many of a ranked feature's thresholds are not above a value; 0 for NaN. */
static inline uint32_t rank_of(const float *thresholds, float value)
{
    uint32_t rank = 0;
    for (uint32_t step = HEAP / 2; step; step /= 2)
        rank += value >= thresholds[rank + step - 1] ? step : 0;
    return rank;
}

/* Where a split's feature stands among the ranked ones, with which thresholds; or MOST_RANKED. */
static uint32_t ranked(const Ranks *ranks, uint32_t feature, float threshold, uint32_t *code)
{
    for (uint32_t at = 0; at < ranks->features; at++) {
        *code = rank_of(ranks->thresholds[at], threshold);
        if (ranks->feature[at] == feature && *code && ranks->thresholds[at][*code - 1] == threshold)
            return at;
    }
    return MOST_RANKED;
}

/* Lays the tree below `node` out as the heap below `h`, `depth` levels; 0 if a split isn't by ranks. */
static int heap_out(const Trees *trees, const Ranks *ranks, RankedTree *tree, uint32_t node, uint32_t h, uint32_t depth)
{
    Node here = trees->nodes[node];
    if (is_leaf(here)) {
        for (uint32_t i = 0; i < 1u << depth; i++)
            tree->leaves[((h << depth) + i) % HEAP] = here.at.threshold;
        return 1;
    }
    if (here.meta & CATEGORICAL)
        return 0;
    int missing_left;
    uint32_t feature = feature_of(here, trees->features, &missing_left), left = node + (here.meta >> STEP_SHIFT), code;
    uint32_t at = ranked(ranks, feature, here.at.threshold, &code);
    if (at == MOST_RANKED)
        return 0;
    tree->splits[h] = (uint8_t)(at | (missing_left ? MISSING_LEFT : 0));
    tree->codes[h] = (uint8_t)code;
    return heap_out(trees, ranks, tree, left, 2 * h, depth - 1) && heap_out(trees, ranks, tree, left + 1, 2 * h + 1, depth - 1);
}

static void rank_features(Ranks *ranks, const Trees *trees, uint32_t nodes, float *found, uint32_t *starts)
{
    /* counted, then each feature's thresholds put together */
    int missing_left;
    for (uint32_t node = 0; node < nodes; node++)
        if (!is_leaf(trees->nodes[node]) && !(trees->nodes[node].meta & CATEGORICAL))
            starts[feature_of(trees->nodes[node], trees->features, &missing_left) + 1]++;
    for (uint32_t feature = 0; feature < trees->features; feature++)
        starts[feature + 1] += starts[feature];
    for (uint32_t node = 0; node < nodes; node++)
        if (!is_leaf(trees->nodes[node]) && !(trees->nodes[node].meta & CATEGORICAL))
            found[starts[feature_of(trees->nodes[node], trees->features, &missing_left)]++] = trees->nodes[node].at.threshold;
    for (uint32_t feature = 0, start = 0; feature < trees->features; start = starts[feature++])
        rank_feature(ranks, feature, found + start, starts[feature] - start);
}

#if defined(TREEWALK_EMULATED)
/* The tests' build for any processor: the same steps, whose instructions are functions. */
#include "emulated_avx512.h"
#define AVX512
#elif defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vbmi")))
#endif

/* Whether this processor walks by ranks. */
static int can_rank(void)
{
#if defined(TREEWALK_EMULATED)
    return 1;
#elif defined(AVX512)
    return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vbmi");
#else
    return 0;
#endif
}

/* Ranks what can be ranked of trees that are laid out; 0 if there is no memory. */
static int rank_trees(Ranks *ranks, const Trees *trees, uint32_t nodes)
{
    float *found = PyMem_Malloc(nodes * sizeof(float));
    uint32_t *starts = PyMem_Calloc(trees->features + 1, sizeof(uint32_t)), able = 0;
    ranks->of = PyMem_Malloc(trees->trees * sizeof(uint32_t));
    if (found && starts)
        rank_features(ranks, trees, nodes, found, starts);
    PyMem_Free(found);
    PyMem_Free(starts);
    for (uint32_t tree = 0; tree < trees->trees; tree++)
        able += trees->depths[tree] <= MOST_DEPTH;
    ranks->trees = PyMem_Calloc(able ? able : 1, sizeof(RankedTree));
    if (!found || !starts || !ranks->of || !ranks->trees)
        return 0;
    for (uint32_t tree = 0; tree < trees->trees; tree++) {
        RankedTree *into = ranks->trees + ranks->count;
        ranks->of[tree] = NOT_RANKED;
        if (trees->depths[tree] > MOST_DEPTH)
            continue;
        into->depth = trees->depths[tree];
        if (heap_out(trees, ranks, into, trees->roots[tree], 1, into->depth))
            ranks->of[tree] = ranks->count++;
        else
            memset(into, 0, sizeof *into);
    }
    return 1;
}

static void release_ranks(Ranks *ranks)
{
    PyMem_Free(ranks->trees);
    PyMem_Free(ranks->of);
}

#if defined(AVX512)
#define INLINE_AVX512 AVX512 static inline __attribute__((always_inline))
#define LANE_BYTES 64
#define CHAINS (BLOCK / LANE_BYTES) /* walked side by side, so that one waits while another works */

/* Ranks of a block's rows: BLOCK bytes for each ranked feature. */
AVX512 static void rank_block(const Ranks *ranks, const float *rows, size_t count, size_t features, uint8_t *block)
{
    const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512i offset = _mm512_mullo_epi32(lane, _mm512_set1_epi32((int)features));
    for (uint32_t at = 0; at < ranks->features; at++)
        for (size_t row = 0; row < count; row += 16) {
            __mmask16 there = (__mmask16)(count - row < 16 ? (1u << (count - row)) - 1 : 0xffffu);
            const float *first = rows + row * features + ranks->feature[at];
            __m512 value = _mm512_mask_i32gather_ps(_mm512_setzero_ps(), there, offset, first, 4);
            __m512i rank = _mm512_setzero_si512();
            for (int step = HEAP / 2; step; step /= 2) {
                __m512i middle = _mm512_add_epi32(rank, _mm512_set1_epi32(step - 1));
                __m512 threshold = _mm512_i32gather_ps(middle, ranks->thresholds[at], 4);
                __mmask16 above = _mm512_cmp_ps_mask(value, threshold, _CMP_GE_OQ);
                rank = _mm512_mask_add_epi32(rank, above, rank, _mm512_set1_epi32(step));
            }
            __mmask16 missing = _mm512_cmp_ps_mask(value, value, _CMP_UNORD_Q);
            rank = _mm512_mask_mov_epi32(rank, missing, _mm512_set1_epi32(MISSING_RANK));
            _mm_storeu_si128((__m128i *)(block + at * BLOCK + row), _mm512_cvtepi32_epi8(rank));
        }
}

/* Of each row, the rank of the feature that its split asks for: of at most `most` features, where each bit of its number
halves the choice. More than GROUP at once would not fit into registers. */
INLINE_AVX512 __m512i asked_for(const uint8_t *block, __m512i split, int most)
{
    __m512i found = _mm512_setzero_si512();
#pragma GCC unroll 1
    for (int group = 0; group < most; group += GROUP) {
        __m512i left[GROUP];
        int some = most < GROUP ? most : GROUP;
        for (int at = 0; at < some; at++)
            left[at] = _mm512_loadu_si512(block + (group + at) * BLOCK);
        for (int bit = 1; some > 1; bit *= 2, some = (some + 1) / 2) {
            __mmask64 odd = _mm512_test_epi8_mask(split, _mm512_set1_epi8((char)bit));
            for (int at = 0; at < some / 2; at++)
                left[at] = _mm512_mask_blend_epi8(odd, left[2 * at], left[2 * at + 1]);
            if (some % 2)
                left[some / 2] = left[some - 1];
        }
        if (most <= GROUP)
            return left[0];
        __m512i groups = _mm512_and_si512(split, _mm512_set1_epi8((char)(~MISSING_LEFT & ~(GROUP - 1))));
        found = _mm512_mask_mov_epi8(found, _mm512_cmpeq_epi8_mask(groups, _mm512_set1_epi8((char)group)), left[0]);
    }
    return found;
}

INLINE_AVX512 __m512i step_down(__m512i h, __m512i split, __m512i code, const uint8_t *block, int most)
{
    __m512i rank = asked_for(block, split, most);
    __mmask64 left = _mm512_mask_cmpeq_epi8_mask(_mm512_movepi8_mask(split), rank, _mm512_set1_epi8((char)MISSING_RANK));
    __mmask64 right = _mm512_cmpge_epu8_mask(rank, code);
    __m512i doubled = _mm512_add_epi8(h, h);
    return _mm512_mask_add_epi8(doubled, right & ~left, doubled, _mm512_set1_epi8(1));
}

/* A block's rows down a tree, whose leaves are added to their sums. */
INLINE_AVX512 void walk_ranked(const RankedTree *tree, const uint8_t *block, size_t count, float *sums, int most)
{
    __m512i h[CHAINS], splits[4], codes[4];
    for (int table = 0; table < 4; table++) {
        splits[table] = _mm512_loadu_si512(tree->splits + table * 64);
        codes[table] = _mm512_loadu_si512(tree->codes + table * 64);
    }
    for (int chain = 0; chain < CHAINS; chain++)
        h[chain] = _mm512_set1_epi8(1);
    for (uint32_t level = 0; level < tree->depth && level < 6; level++)
        for (int chain = 0; chain < CHAINS; chain++)
            h[chain] = step_down(h[chain], _mm512_permutexvar_epi8(h[chain], splits[0]),
                                 _mm512_permutexvar_epi8(h[chain], codes[0]), block + chain * LANE_BYTES, most);
    for (int chain = 0; chain < CHAINS && tree->depth > 6; chain++)
        h[chain] = step_down(h[chain], _mm512_permutexvar_epi8(h[chain], splits[1]),
                             _mm512_permutexvar_epi8(h[chain], codes[1]), block + chain * LANE_BYTES, most);
    for (int chain = 0; chain < CHAINS && tree->depth > 7; chain++)
        h[chain] = step_down(h[chain], _mm512_permutex2var_epi8(splits[2], h[chain], splits[3]),
                             _mm512_permutex2var_epi8(codes[2], h[chain], codes[3]), block + chain * LANE_BYTES, most);
    uint8_t at[BLOCK];
    for (int chain = 0; chain < CHAINS; chain++)
        _mm512_storeu_si512(at + chain * LANE_BYTES, h[chain]);
    for (size_t row = 0; row < count; row += 16) {
        __m512i leaf = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(at + row)));
        __m512 value = _mm512_i32gather_ps(leaf, tree->leaves, 4);
        _mm512_storeu_ps(sums + row, _mm512_add_ps(_mm512_loadu_ps(sums + row), value));
    }
}

AVX512 static void add_ranked(const Ranks *ranks, const RankedTree *tree, const uint8_t *block, size_t count, float *sums)
{
    /* a constant, so that the choice among features is laid out by the compiler */
    if (ranks->features <= 8)
        walk_ranked(tree, block, count, sums, 8);
    else if (ranks->features <= 12)
        walk_ranked(tree, block, count, sums, 12);
    else if (ranks->features <= 16)
        walk_ranked(tree, block, count, sums, 16);
    else
        walk_ranked(tree, block, count, sums, MOST_RANKED);
}

#else
static void rank_block(const Ranks *ranks, const float *rows, size_t count, size_t features, uint8_t *block) {}
static void add_ranked(const Ranks *ranks, const RankedTree *tree, const uint8_t *block, size_t count, float *sums) {}
#endif

#endif
