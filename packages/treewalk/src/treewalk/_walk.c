/* The Python type Walk: a model's trees, ready to be walked. What it is given is checked here again, so that no
document, and no caller, can make it read what isn't its own. See _trees.h for the walk, _ranks.h for that of batches where
the processor knows how, _links.h for what follows. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "_links.h"
#include "_ranks.h"
#include "_trees.h"

#define FEW_FEATURES 64 /* of these, and so many outputs, a row needs no memory but the stack */
#define FEW_OUTPUTS 16

typedef struct {
    PyObject_HEAD
    Trees trees;
    Ranks ranks;
    int transform;
    uint32_t predictions; /* per row */
} Walk;

static void release(Trees *trees)
{
    PyMem_Free(trees->nodes);
    PyMem_Free(trees->roots);
    PyMem_Free(trees->depths);
    PyMem_Free(trees->groups);
    PyMem_Free(trees->margins);
    PyMem_Free(trees->sets);
    memset(trees, 0, sizeof *trees);
}

static void walk_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    release(&((Walk *)self)->trees);
    release_ranks(&((Walk *)self)->ranks);
    freefunc free_it = (freefunc)PyType_GetSlot(type, Py_tp_free);
    free_it(self);
    Py_DECREF(type);
}

/* ---- from a document ---- */

enum { MARGINS, GROUPS, WEIGHTS, STARTS, LEFT, RIGHT, INDEX, CONDITION, DEFAULT_LEFT, SET_OF, SETS, BUFFERS };
static const size_t ITEM[BUFFERS] = {4, 4, 4, 8, 4, 4, 4, 4, 1, 8, 4};

static Py_ssize_t length_of(const Py_buffer *buffers, int which)
{
    return buffers[which].len / (Py_ssize_t)ITEM[which];
}

/* NULL, or what is wrong with the arrays' lengths and with what they point to outside of the trees. */
static const char *check(const Py_buffer *buffers, const Trees *trees)
{
    Py_ssize_t count = length_of(buffers, GROUPS), nodes = length_of(buffers, LEFT), sets = length_of(buffers, SETS);
    const int64_t *starts = buffers[STARTS].buf, *set_of = buffers[SET_OF].buf;
    const int32_t *groups = buffers[GROUPS].buf;
    const uint32_t *words = buffers[SETS].buf;
    for (int which = 0; which < BUFFERS; which++)
        if (buffers[which].len % (Py_ssize_t)ITEM[which] || (uintptr_t)buffers[which].buf % ITEM[which])
            return "an array isn't of its type's size";
    for (int which = LEFT; which <= SET_OF; which++)
        if (length_of(buffers, which) != nodes)
            return "the nodes' arrays differ in length";
    if (count < 1 || nodes < count || nodes > INT32_MAX || length_of(buffers, STARTS) != count + 1
        || length_of(buffers, WEIGHTS) != count || length_of(buffers, MARGINS) != (Py_ssize_t)trees->outputs)
        return "the trees' arrays differ in length";
    if (starts[0] != 0 || starts[count] != nodes)
        return "the trees don't share out the nodes";
    for (Py_ssize_t tree = 0; tree < count; tree++) {
        if (starts[tree + 1] <= starts[tree] || starts[tree + 1] > nodes)
            return "a tree has no nodes";
        if (groups[tree] < 0 || (uint32_t)groups[tree] >= trees->outputs)
            return "a tree belongs to no output";
    }
    for (Py_ssize_t node = 0; node < nodes; node++)
        if (set_of[node] != -1
            && (set_of[node] < 0 || set_of[node] >= sets || words[set_of[node]] >= (uint64_t)(sets - set_of[node])))
            return "a categorical split has no categories";
    return NULL;
}

static void *copy_of(const void *content, size_t size)
{
    void *copy = PyMem_Malloc(size ? size : 1);
    if (copy && size)
        memcpy(copy, content, size);
    return copy;
}

static int allocate(Trees *trees, const Py_buffer *buffers)
{
    size_t nodes = (size_t)length_of(buffers, LEFT);
    trees->trees = (uint32_t)length_of(buffers, GROUPS);
    trees->nodes = PyMem_Malloc(nodes * sizeof(Node));
    trees->roots = PyMem_Malloc(trees->trees * sizeof(uint32_t));
    trees->depths = PyMem_Malloc(trees->trees * sizeof(uint32_t));
    trees->groups = copy_of(buffers[GROUPS].buf, (size_t)buffers[GROUPS].len);
    trees->margins = copy_of(buffers[MARGINS].buf, (size_t)buffers[MARGINS].len);
    trees->sets = copy_of(buffers[SETS].buf, (size_t)buffers[SETS].len);
    if (!trees->nodes || !trees->roots || !trees->depths || !trees->groups || !trees->margins || !trees->sets)
        return 0;
    memset(trees->nodes, 0, nodes * sizeof(Node));
    return 1;
}

/* DART: XGBoost takes the margin in and out again before it weighs a tree; the rounding that this leaves is kept. */
static void weigh(Trees *trees, const Py_buffer *buffers)
{
    const float *weights = buffers[WEIGHTS].buf;
    const int64_t *starts = buffers[STARTS].buf;
    for (uint32_t tree = 0; tree < trees->trees; tree++) {
        if (weights[tree] != weights[tree])
            continue; /* NaN: not DART */
        float margin = trees->margins[trees->groups[tree]];
        for (int64_t node = starts[tree]; node < starts[tree + 1]; node++)
            if (trees->nodes[node].meta >> STEP_SHIFT == 0) {
                float shifted = margin + trees->nodes[node].at.threshold;
                float leaf = shifted - margin;
                trees->nodes[node].at.threshold = leaf * weights[tree];
            }
    }
}

static const char *fill(Walk *walk, const Py_buffer *buffers, int link, int64_t *queue)
{
    Trees *trees = &walk->trees;
    Source source = {buffers[STARTS].buf, buffers[LEFT].buf,         buffers[RIGHT].buf, buffers[INDEX].buf,
                     buffers[CONDITION].buf, buffers[DEFAULT_LEFT].buf, buffers[SET_OF].buf};
    for (uint32_t output = 0; output < trees->outputs; output++) {
        trees->margins[output] = margin_of(trees->margins[output], link);
        if (!isfinite(trees->margins[output]))
            return "the base score has no finite margin";
    }
    for (uint32_t tree = 0; tree < trees->trees; tree++) {
        const char *wrong = lay_out(trees, &source, tree, queue);
        if (wrong)
            return wrong;
    }
    weigh(trees, buffers);
    return NULL;
}

static PyObject *build(PyTypeObject *type, const Py_buffer *buffers, const Trees *shape, int transform_kind, int link,
                       int ranks)
{
    const char *wrong = check(buffers, shape);
    if (wrong) {
        PyErr_SetString(PyExc_ValueError, wrong);
        return NULL;
    }
    allocfunc allocate_it = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Walk *walk = (Walk *)allocate_it(type, 0);
    if (!walk)
        return NULL;
    walk->trees = *shape;
    walk->transform = transform_kind;
    walk->predictions = transform_kind == ARGMAX ? 1 : shape->outputs;
    int64_t *queue = PyMem_Malloc((size_t)length_of(buffers, LEFT) * sizeof(int64_t));
    if (!queue || !allocate(&walk->trees, buffers))
        PyErr_NoMemory();
    else if ((wrong = fill(walk, buffers, link, queue)) != NULL)
        PyErr_SetString(PyExc_ValueError, wrong);
    else if (ranks && can_rank() && !rank_trees(&walk->ranks, &walk->trees, (uint32_t)length_of(buffers, LEFT)))
        PyErr_NoMemory();
    PyMem_Free(queue);
    if (PyErr_Occurred()) {
        Py_DECREF(walk);
        return NULL;
    }
    return (PyObject *)walk;
}

static PyObject *walk_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    Trees shape = {0};
    int transform_kind, link, ranks, taken = 0;
    PyObject *objects[BUFFERS], *walk = NULL;
    Py_buffer buffers[BUFFERS];
    if (kwargs && PyDict_Size(kwargs)) {
        PyErr_SetString(PyExc_TypeError, "Walk takes no keyword arguments");
        return NULL;
    }
    if (!PyArg_ParseTuple(args, "IIiipOOOOOOOOOOO", &shape.features, &shape.outputs, &transform_kind, &link, &ranks,
                          &objects[0], &objects[1], &objects[2], &objects[3], &objects[4], &objects[5], &objects[6],
                          &objects[7], &objects[8], &objects[9], &objects[10]))
        return NULL;
    if (shape.features < 1 || shape.features > MOST_FEATURES || shape.outputs < 1 || shape.outputs > MOST_FEATURES
        || transform_kind < 0 || transform_kind >= TRANSFORMS || link < 0 || link >= LINKS) {
        PyErr_SetString(PyExc_ValueError, "a number is out of range");
        return NULL;
    }
    for (; taken < BUFFERS; taken++)
        if (PyObject_GetBuffer(objects[taken], &buffers[taken], PyBUF_SIMPLE) < 0)
            break;
    if (taken == BUFFERS)
        walk = build(type, buffers, &shape, transform_kind, link, ranks);
    while (taken)
        PyBuffer_Release(&buffers[--taken]);
    return walk;
}

/* ---- prediction ---- */

/* The inputs of a list or tuple of numbers; 0 with an exception if it can't be read. */
static int read_row(PyObject *values, float *inputs, Py_ssize_t count)
{
    int is_list = PyList_Check(values);
    for (Py_ssize_t i = 0; i < count; i++) {
        /* asked for each time: another thread, or a value's own __float__, may shorten a list */
        PyObject *value = is_list ? PyList_GetItem(values, i) : PyTuple_GetItem(values, i);
        if (!value)
            return 0;
        Py_INCREF(value);
        double number = PyFloat_AsDouble(value);
        Py_DECREF(value);
        if (number == -1.0 && PyErr_Occurred())
            return 0;
        put(inputs, 1, (size_t)count, (size_t)i, (float)number);
    }
    inputs[count] = NAN;
    return 1;
}

static PyObject *walk_row(PyObject *self, PyObject *values)
{
    Walk *walk = (Walk *)self;
    const Trees *trees = &walk->trees;
    float few[2 * FEW_FEATURES + 1], few_sums[FEW_OUTPUTS], *row = few, *sums = few_sums, prediction;
    PyObject *result = NULL;
    if (walk->predictions != 1) {
        PyErr_SetString(PyExc_ValueError, "the model has more than one output");
        return NULL;
    }
    if (!PyList_Check(values) && !PyTuple_Check(values)) {
        PyErr_SetString(PyExc_TypeError, "a row is a list or a tuple");
        return NULL;
    }
    if ((PyList_Check(values) ? PyList_Size(values) : PyTuple_Size(values)) != (Py_ssize_t)trees->features) {
        PyErr_Format(PyExc_ValueError, "a row has %u values", trees->features);
        return NULL;
    }
    if (trees->features > FEW_FEATURES)
        row = PyMem_Malloc(inputs_of(trees->features) * sizeof(float));
    if (trees->outputs > FEW_OUTPUTS)
        sums = PyMem_Malloc(trees->outputs * sizeof(float));
    if (!row || !sums) {
        PyErr_NoMemory();
    } else if (read_row(values, row, (Py_ssize_t)trees->features)) {
        sum_row(trees, row, sums);
        transform(sums, trees->outputs, walk->transform, &prediction);
        result = PyFloat_FromDouble((double)prediction);
    }
    if (row != few)
        PyMem_Free(row);
    if (sums != few_sums)
        PyMem_Free(sums);
    return result;
}

/* What a block needs beside its rows. */
typedef struct {
    float *inputs; /* inputs_of(features) * BLOCK */
    float *sums;   /* outputs * BLOCK, each output's together */
    float *row;    /* outputs */
    uint8_t ranks[MOST_RANKED * BLOCK];
} Workspace;

static void sum_block(const Walk *walk, const float *rows, size_t count, Workspace *space)
{
    const Trees *trees = &walk->trees;
    for (uint32_t output = 0; output < trees->outputs; output++)
        for (size_t row = 0; row < BLOCK; row++)
            space->sums[output * BLOCK + row] = trees->margins[output];
    if (walk->ranks.count)
        rank_block(&walk->ranks, rows, count, trees->features, space->ranks);
    if (walk->ranks.count < trees->trees)
        put_block(rows, count, trees->features, space->inputs);
    for (uint32_t tree = 0; tree < trees->trees; tree++) {
        float *sums = space->sums + (size_t)trees->groups[tree] * BLOCK;
        uint32_t ranked_form = walk->ranks.count ? walk->ranks.of[tree] : NOT_RANKED;
        if (ranked_form != NOT_RANKED)
            add_ranked(&walk->ranks, walk->ranks.trees + ranked_form, space->ranks, count, sums);
        else
            add_walked(trees, tree, space->inputs, count, sums);
    }
}

static void predict_rows(const Walk *walk, const float *rows, size_t count, Workspace *space, float *out)
{
    size_t outputs = walk->trees.outputs;
    memset(space->ranks, 0, sizeof space->ranks);
    for (size_t done = 0; done < count; done += BLOCK) {
        size_t some = count - done < BLOCK ? count - done : BLOCK;
        sum_block(walk, rows + done * walk->trees.features, some, space);
        for (size_t row = 0; row < some; row++) {
            for (size_t output = 0; output < outputs; output++)
                space->row[output] = space->sums[output * BLOCK + row];
            out += transform(space->row, outputs, walk->transform, out);
        }
    }
}

static int fits(const Walk *walk, const Py_buffer *rows, const Py_buffer *out, size_t *count)
{
    size_t row = walk->trees.features * sizeof(float);
    *count = (size_t)rows->len / row;
    return (size_t)rows->len == *count * row && (size_t)out->len == *count * walk->predictions * sizeof(float)
        && (uintptr_t)rows->buf % sizeof(float) == 0 && (uintptr_t)out->buf % sizeof(float) == 0;
}

static PyObject *walk_predict(PyObject *self, PyObject *args)
{
    Walk *walk = (Walk *)self;
    PyObject *from, *to, *result = NULL;
    Py_buffer rows, out;
    size_t count;
    if (!PyArg_ParseTuple(args, "OO", &from, &to) || PyObject_GetBuffer(from, &rows, PyBUF_SIMPLE) < 0)
        return NULL;
    if (PyObject_GetBuffer(to, &out, PyBUF_WRITABLE) == 0) {
        if (!fits(walk, &rows, &out, &count)) {
            PyErr_SetString(PyExc_ValueError, "the arrays' sizes aren't those of rows and their predictions");
        } else {
            size_t inputs = inputs_of(walk->trees.features) * BLOCK, outputs = walk->trees.outputs;
            Workspace space;
            space.inputs = PyMem_Malloc((inputs + outputs * (BLOCK + 1)) * sizeof(float));
            if (!space.inputs) {
                PyErr_NoMemory();
            } else {
                space.sums = space.inputs + inputs;
                space.row = space.sums + outputs * BLOCK;
                Py_BEGIN_ALLOW_THREADS
                predict_rows(walk, rows.buf, count, &space, out.buf);
                Py_END_ALLOW_THREADS
                PyMem_Free(space.inputs);
                result = Py_None;
                Py_INCREF(result);
            }
        }
        PyBuffer_Release(&out);
    }
    PyBuffer_Release(&rows);
    return result;
}

static PyObject *walk_ranked_trees(PyObject *self, PyObject *nothing)
{
    (void)nothing;
    return PyLong_FromUnsignedLong(((Walk *)self)->ranks.count);
}

static PyMethodDef METHODS[] = {
    {"row", walk_row, METH_O, "One row of numbers to its prediction."},
    {"predict", walk_predict, METH_VARARGS, "Rows of float32 to predictions of float32, both as buffers."},
    {"ranked", walk_ranked_trees, METH_NOARGS, "How many of the trees batches are walked down by ranks."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot SLOTS[] = {
    {Py_tp_doc, "A model's trees, laid out for the walk."},
    {Py_tp_new, walk_new},
    {Py_tp_dealloc, walk_dealloc},
    {Py_tp_methods, METHODS},
    {0, NULL},
};

static PyType_Spec SPEC = {"treewalk._walk.Walk", sizeof(Walk), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE, SLOTS};

static int execute(PyObject *module)
{
    PyObject *type = PyType_FromModuleAndSpec(module, &SPEC, NULL);
    if (!type)
        return -1;
    int added = PyModule_AddType(module, (PyTypeObject *)type);
    Py_DECREF(type);
    return added;
}

static PyModuleDef_Slot MODULE_SLOTS[] = {{Py_mod_exec, execute}, {0, NULL}};

static struct PyModuleDef MODULE = {PyModuleDef_HEAD_INIT, "treewalk._walk", NULL, 0, NULL, MODULE_SLOTS, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__walk(void)
{
    return PyModuleDef_Init(&MODULE);
}
