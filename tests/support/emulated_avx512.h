/* The AVX-512 intrinsics that _ranks.h uses, in plain C, a lane at a time, for processors without them.

A test build of the extension includes this file in the place of <immintrin.h>, and so runs the same steps on any
processor, also under the sanitizers. Each function follows the operation that Intel's Intrinsics Guide gives for its name.
A masked load reads only the lanes of its mask, as the processor does. */
#ifndef EMULATED_AVX512_H
#define EMULATED_AVX512_H

#include <stdint.h>
#include <string.h>

typedef union {
    uint8_t bytes[64];
    uint32_t words[16];
} __m512i;

typedef struct {
    float lanes[16];
} __m512;

typedef struct {
    uint8_t bytes[16];
} __m128i;

typedef uint16_t __mmask16;
typedef uint64_t __mmask64;

#define _CMP_UNORD_Q 0x03
#define _CMP_GE_OQ 0x1d

#define EMULATED static inline __attribute__((unused))
#define EACH_BYTE for (int i = 0; i < 64; i++)
#define EACH_WORD for (int i = 0; i < 16; i++)
#define CHOSEN(mask) ((mask) >> i & 1u)
#define BIT64(condition) ((__mmask64)(condition) << i)

/* ---- constants, loads, stores ---- */

EMULATED __m512i _mm512_setzero_si512(void)
{
    __m512i out;
    memset(&out, 0, sizeof out);
    return out;
}

EMULATED __m512 _mm512_setzero_ps(void)
{
    __m512 out;
    EACH_WORD out.lanes[i] = 0.0f;
    return out;
}

EMULATED __m512i _mm512_set1_epi8(char value)
{
    __m512i out;
    EACH_BYTE out.bytes[i] = (uint8_t)value;
    return out;
}

EMULATED __m512i _mm512_set1_epi32(int value)
{
    __m512i out;
    EACH_WORD out.words[i] = (uint32_t)value;
    return out;
}

#define _mm512_setr_epi32(...) emulated_setr_epi32((const int[16]){__VA_ARGS__})
EMULATED __m512i emulated_setr_epi32(const int *values)
{
    __m512i out;
    EACH_WORD out.words[i] = (uint32_t)values[i];
    return out;
}

EMULATED __m512i _mm512_loadu_si512(const void *from)
{
    __m512i out;
    memcpy(&out, from, sizeof out);
    return out;
}

EMULATED __m512 _mm512_loadu_ps(const void *from)
{
    __m512 out;
    memcpy(&out, from, sizeof out);
    return out;
}

EMULATED __m128i _mm_loadu_si128(const __m128i *from)
{
    __m128i out;
    memcpy(&out, from, sizeof out);
    return out;
}

EMULATED void _mm512_storeu_si512(void *to, __m512i value)
{
    memcpy(to, &value, sizeof value);
}

EMULATED void _mm512_storeu_ps(void *to, __m512 value)
{
    memcpy(to, &value, sizeof value);
}

EMULATED void _mm_storeu_si128(__m128i *to, __m128i value)
{
    memcpy(to, &value, sizeof value);
}

/* The index is signed, and counts in units of `scale` bytes. */
EMULATED __m512 _mm512_mask_i32gather_ps(__m512 other, __mmask16 mask, __m512i index, const void *from, int scale)
{
    EACH_WORD if (CHOSEN(mask))
        memcpy(&other.lanes[i], (const char *)from + (int64_t)(int32_t)index.words[i] * scale, sizeof(float));
    return other;
}

EMULATED __m512 _mm512_i32gather_ps(__m512i index, const void *from, int scale)
{
    return _mm512_mask_i32gather_ps(_mm512_setzero_ps(), 0xffff, index, from, scale);
}

/* ---- 16 lanes of 32 bits ---- */

EMULATED __m512i _mm512_mullo_epi32(__m512i a, __m512i b)
{
    EACH_WORD a.words[i] *= b.words[i];
    return a;
}

EMULATED __m512i _mm512_add_epi32(__m512i a, __m512i b)
{
    EACH_WORD a.words[i] += b.words[i];
    return a;
}

EMULATED __m512i _mm512_mask_mov_epi32(__m512i other, __mmask16 mask, __m512i a)
{
    EACH_WORD if (CHOSEN(mask)) other.words[i] = a.words[i];
    return other;
}

EMULATED __m512i _mm512_mask_add_epi32(__m512i other, __mmask16 mask, __m512i a, __m512i b)
{
    return _mm512_mask_mov_epi32(other, mask, _mm512_add_epi32(a, b));
}

EMULATED __m512 _mm512_add_ps(__m512 a, __m512 b)
{
    EACH_WORD a.lanes[i] += b.lanes[i];
    return a;
}

EMULATED __mmask16 _mm512_cmp_ps_mask(__m512 a, __m512 b, int how)
{
    __mmask16 mask = 0;
    EACH_WORD
    {
        int unordered = a.lanes[i] != a.lanes[i] || b.lanes[i] != b.lanes[i];
        int holds = how == _CMP_UNORD_Q ? unordered : !unordered && a.lanes[i] >= b.lanes[i];
        mask = (__mmask16)(mask | (unsigned)holds << i);
    }
    return mask;
}

EMULATED __m128i _mm512_cvtepi32_epi8(__m512i a)
{
    __m128i out;
    EACH_WORD out.bytes[i] = (uint8_t)a.words[i];
    return out;
}

EMULATED __m512i _mm512_cvtepu8_epi32(__m128i a)
{
    __m512i out;
    EACH_WORD out.words[i] = a.bytes[i];
    return out;
}

/* ---- 64 lanes of 8 bits ---- */

EMULATED __m512i _mm512_and_si512(__m512i a, __m512i b)
{
    EACH_BYTE a.bytes[i] &= b.bytes[i];
    return a;
}

EMULATED __m512i _mm512_add_epi8(__m512i a, __m512i b)
{
    EACH_BYTE a.bytes[i] = (uint8_t)(a.bytes[i] + b.bytes[i]);
    return a;
}

EMULATED __m512i _mm512_mask_mov_epi8(__m512i other, __mmask64 mask, __m512i a)
{
    EACH_BYTE if (CHOSEN(mask)) other.bytes[i] = a.bytes[i];
    return other;
}

EMULATED __m512i _mm512_mask_add_epi8(__m512i other, __mmask64 mask, __m512i a, __m512i b)
{
    return _mm512_mask_mov_epi8(other, mask, _mm512_add_epi8(a, b));
}

/* Where the mask has a bit, b; else a. */
EMULATED __m512i _mm512_mask_blend_epi8(__mmask64 mask, __m512i a, __m512i b)
{
    return _mm512_mask_mov_epi8(a, mask, b);
}

EMULATED __mmask64 _mm512_movepi8_mask(__m512i a)
{
    __mmask64 mask = 0;
    EACH_BYTE mask |= BIT64(a.bytes[i] >> 7);
    return mask;
}

EMULATED __mmask64 _mm512_test_epi8_mask(__m512i a, __m512i b)
{
    __mmask64 mask = 0;
    EACH_BYTE mask |= BIT64((a.bytes[i] & b.bytes[i]) != 0);
    return mask;
}

EMULATED __mmask64 _mm512_cmpeq_epi8_mask(__m512i a, __m512i b)
{
    __mmask64 mask = 0;
    EACH_BYTE mask |= BIT64(a.bytes[i] == b.bytes[i]);
    return mask;
}

EMULATED __mmask64 _mm512_mask_cmpeq_epi8_mask(__mmask64 among, __m512i a, __m512i b)
{
    return among & _mm512_cmpeq_epi8_mask(a, b);
}

EMULATED __mmask64 _mm512_cmpge_epu8_mask(__m512i a, __m512i b)
{
    __mmask64 mask = 0;
    EACH_BYTE mask |= BIT64(a.bytes[i] >= b.bytes[i]);
    return mask;
}

/* A table of 64 bytes, of which the index's low six bits choose. */
EMULATED __m512i _mm512_permutexvar_epi8(__m512i index, __m512i table)
{
    EACH_BYTE index.bytes[i] = table.bytes[index.bytes[i] % 64];
    return index;
}

/* A table of 128 bytes; the index's highest bit isn't looked at. */
EMULATED __m512i _mm512_permutex2var_epi8(__m512i low, __m512i index, __m512i high)
{
    EACH_BYTE index.bytes[i] = (index.bytes[i] & 64 ? high : low).bytes[index.bytes[i] % 64];
    return index;
}

#endif
