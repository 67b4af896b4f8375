/* The Python type Ring: lines that one process writes and another reads, in memory that they share.

Two numbers tell how many bytes have been written and released since the beginning. Each has one process that changes it,
and is changed only once what it tells is true; so neither side ever waits for the other. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdint.h>
#include <string.h>
#include <time.h>

#define CACHE_LINE 64
#define LONGEST_KIND 16
#define NUMBERS 48 /* two of them, with what stands between the fields */

typedef struct {
    uint64_t written;
    char apart[CACHE_LINE - sizeof(uint64_t)]; /* else each side would take the other's number out of its cache */
    uint64_t released;
    char apart_too[CACHE_LINE - sizeof(uint64_t)];
} Header;

typedef struct {
    PyObject_HEAD
    Py_buffer memory;
    Header *header;
    char *lines;
    uint64_t size;
    char *line; /* the one that is being made; not in the ring, so that it may go beyond its end */
    size_t room;
    char kind[LONGEST_KIND];
    size_t kind_length;
    unsigned long long added, missed;
} Ring;

/* ---- a line ---- */

static char *put_number(char *out, uint64_t number)
{
    char digits[20];
    int count = 0;
    do
        digits[count++] = (char)('0' + number % 10);
    while (number /= 10);
    while (count)
        *out++ = digits[--count];
    *out++ = '\t';
    return out;
}

static int is_special(char c)
{
    return (c == '\\') | (c == '\t') | (c == '\n') | (c == '\r');
}

/* At most two bytes for each. */
static char *put_text(char *out, const char *text, size_t length)
{
    int special = 0; /* no early end: compilers then look at many bytes at once */
    for (size_t i = 0; i < length; i++)
        special |= is_special(text[i]);
    if (!special) {
        memcpy(out, text, length);
        return out + length;
    }
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '\\')
            *out++ = '\\';
        *out++ = text[i] != '\\' && is_special(text[i]) ? ' ' : text[i];
    }
    return out;
}

static int make_room(Ring *ring, size_t length)
{
    if (length <= ring->room)
        return 1;
    char *line = PyMem_Realloc(ring->line, 2 * length);
    if (!line) {
        PyErr_NoMemory();
        return 0;
    }
    ring->line = line;
    ring->room = 2 * length;
    return 1;
}

static uint64_t microseconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static uint64_t microseconds(double seconds)
{
    return seconds > 0 && seconds < 1e9 ? (uint64_t)(seconds * 1e6) : 0;
}

/* ---- the ring ---- */

static int publish(Ring *ring, size_t length)
{
    uint64_t written = ring->header->written;
    uint64_t held = written - __atomic_load_n(&ring->header->released, __ATOMIC_ACQUIRE);
    if (held > ring->size || length > ring->size - held)
        return 0;
    size_t position = (size_t)(written % ring->size), before_end = (size_t)ring->size - position;
    if (length <= before_end) {
        memcpy(ring->lines + position, ring->line, length);
    } else {
        memcpy(ring->lines + position, ring->line, before_end);
        memcpy(ring->lines, ring->line + before_end, length - before_end);
    }
    __atomic_store_n(&ring->header->written, written + length, __ATOMIC_RELEASE);
    return 1;
}

static PyObject *ring_add(PyObject *self, PyObject *const *arguments, Py_ssize_t count)
{
    Ring *ring = (Ring *)self;
    char *request, *answer;
    Py_ssize_t request_length, answer_length;
    if (count != 3) {
        PyErr_Format(PyExc_TypeError, "add() takes 3 arguments (%zd given)", count);
        return NULL;
    }
    double seconds = PyFloat_AsDouble(arguments[0]);
    if (seconds == -1.0 && PyErr_Occurred())
        return NULL;
    if (PyBytes_AsStringAndSize(arguments[1], &request, &request_length) < 0
        || PyBytes_AsStringAndSize(arguments[2], &answer, &answer_length) < 0)
        return NULL;
    int fits = (uint64_t)request_length <= ring->size && (uint64_t)answer_length <= ring->size;
    if (fits) {
        if (!make_room(ring, ring->kind_length + NUMBERS + 2 * ((size_t)request_length + (size_t)answer_length)))
            return NULL;
        char *out = ring->line;
        memcpy(out, ring->kind, ring->kind_length);
        out += ring->kind_length;
        *out++ = '\t';
        out = put_number(out, microseconds_now());
        out = put_number(out, microseconds(seconds));
        out = put_text(out, request, (size_t)request_length);
        *out++ = '\t';
        out = put_text(out, answer, (size_t)answer_length);
        *out++ = '\n';
        fits = publish(ring, (size_t)(out - ring->line));
    }
    if (fits)
        ring->added++;
    else
        ring->missed++;
    return PyBool_FromLong(fits);
}

/* How many bytes wait, or -1 with an error set. */
static Py_ssize_t count_waiting(const Ring *ring)
{
    uint64_t held = __atomic_load_n(&ring->header->written, __ATOMIC_ACQUIRE) - ring->header->released;
    if (held > ring->size) {
        PyErr_SetString(PyExc_ValueError, "the ring's memory is damaged");
        return -1;
    }
    return (Py_ssize_t)held;
}

static PyObject *ring_waiting(PyObject *self, PyObject *nothing)
{
    Ring *ring = (Ring *)self;
    (void)nothing;
    Py_ssize_t length = count_waiting(ring);
    PyObject *found = length < 0 ? NULL : PyBytes_FromStringAndSize(NULL, length);
    if (!found)
        return NULL;
    size_t position = (size_t)(ring->header->released % ring->size), before_end = (size_t)ring->size - position;
    char *to = PyBytes_AsString(found);
    if ((size_t)length <= before_end) {
        memcpy(to, ring->lines + position, (size_t)length);
    } else {
        memcpy(to, ring->lines + position, before_end);
        memcpy(to + before_end, ring->lines, (size_t)length - before_end);
    }
    return found;
}

static PyObject *ring_release(PyObject *self, PyObject *argument)
{
    Ring *ring = (Ring *)self;
    Py_ssize_t length = PyLong_AsSsize_t(argument);
    if (length == -1 && PyErr_Occurred())
        return NULL;
    Py_ssize_t held = count_waiting(ring);
    if (held < 0)
        return NULL;
    if (length < 0 || length > held)
        return PyErr_Format(PyExc_ValueError, "%zd bytes wait, not %zd", held, length);
    __atomic_store_n(&ring->header->released, ring->header->released + (uint64_t)length, __ATOMIC_RELEASE);
    Py_INCREF(Py_None);
    return Py_None;
}

/* ---- the type ---- */

static int accept_kind(Ring *ring, const char *kind, Py_ssize_t length)
{
    int special = length > LONGEST_KIND;
    for (Py_ssize_t i = 0; i < length && !special; i++)
        special = is_special(kind[i]);
    if (special) {
        PyErr_Format(PyExc_ValueError, "a kind is at most %d bytes without tabs, line breaks and backslashes", LONGEST_KIND);
        return 0;
    }
    memcpy(ring->kind, kind, (size_t)length);
    ring->kind_length = (size_t)length;
    return 1;
}

static int accept_memory(Ring *ring)
{
    if (ring->memory.len <= (Py_ssize_t)sizeof(Header) || (uintptr_t)ring->memory.buf % sizeof(uint64_t)) {
        PyErr_Format(PyExc_ValueError, "the memory has to have more than %zu bytes, and to begin at an even address",
                     sizeof(Header));
        return 0;
    }
    ring->header = ring->memory.buf;
    ring->lines = (char *)ring->memory.buf + sizeof(Header);
    ring->size = (uint64_t)ring->memory.len - sizeof(Header);
    return 1;
}

static PyObject *ring_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    PyObject *memory, *result = NULL;
    const char *kind;
    Py_ssize_t kind_length;
    if (keywords && PyDict_Size(keywords))
        return PyErr_Format(PyExc_TypeError, "Ring() takes no keyword arguments");
    if (!PyArg_ParseTuple(arguments, "Oy#:Ring", &memory, &kind, &kind_length))
        return NULL;
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Ring *ring = (Ring *)allocate(type, 0);
    if (!ring)
        return NULL;
    if (PyObject_GetBuffer(memory, &ring->memory, PyBUF_WRITABLE) == 0 && accept_memory(ring)
        && accept_kind(ring, kind, kind_length)) {
        result = (PyObject *)ring;
        Py_INCREF(result);
    }
    Py_DECREF(ring);
    return result;
}

static void ring_dealloc(PyObject *self)
{
    Ring *ring = (Ring *)self;
    PyTypeObject *type = Py_TYPE(self);
    PyBuffer_Release(&ring->memory); /* of zeros: nothing happens */
    PyMem_Free(ring->line);
    freefunc free_it = (freefunc)PyType_GetSlot(type, Py_tp_free);
    free_it(self);
    Py_DECREF(type);
}

static PyObject *get_added(PyObject *self, void *nothing)
{
    (void)nothing;
    return PyLong_FromUnsignedLongLong(((Ring *)self)->added);
}

static PyObject *get_missed(PyObject *self, void *nothing)
{
    (void)nothing;
    return PyLong_FromUnsignedLongLong(((Ring *)self)->missed);
}

static PyMethodDef METHODS[] = {
    {"add", (PyCFunction)(void (*)(void))ring_add, METH_FASTCALL, "Writes a line; False if there is no room."},
    {"waiting", ring_waiting, METH_NOARGS, "The lines that no reader has released."},
    {"release", ring_release, METH_O, "Gives the room of the first so many bytes back to the writer."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef PROPERTIES[] = {
    {"added", get_added, NULL, "Lines that this process has written.", NULL},
    {"missed", get_missed, NULL, "Lines of this process that there was no room for.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot SLOTS[] = {
    {Py_tp_doc, "Lines from one process to another, in memory that they share."},
    {Py_tp_new, ring_new},
    {Py_tp_dealloc, ring_dealloc},
    {Py_tp_methods, METHODS},
    {Py_tp_getset, PROPERTIES},
    {0, NULL},
};

static PyType_Spec SPEC = {"linering._ring.Ring", sizeof(Ring), 0, Py_TPFLAGS_DEFAULT, SLOTS};

static int execute(PyObject *module)
{
    PyObject *type = PyType_FromModuleAndSpec(module, &SPEC, NULL);
    PyObject *header = PyLong_FromSize_t(sizeof(Header));
    int failed = !type || !header || PyObject_SetAttrString(type, "HEADER_BYTES", header) < 0
                 || PyModule_AddType(module, (PyTypeObject *)type) < 0;
    Py_XDECREF(header);
    Py_XDECREF(type);
    return failed ? -1 : 0;
}

static PyModuleDef_Slot MODULE_SLOTS[] = {{Py_mod_exec, execute}, {0, NULL}};

static struct PyModuleDef MODULE = {PyModuleDef_HEAD_INIT, "linering._ring", NULL, 0, NULL, MODULE_SLOTS, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__ring(void)
{
    return PyModuleDef_Init(&MODULE);
}
