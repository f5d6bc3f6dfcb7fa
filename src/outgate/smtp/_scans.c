/* The two scans of content, sixteen octets at a time: for dots that begin a line, and for CR or LF without the other.

   Optional: scans.py has the same in Python, from the standard library's C, and takes ten times as long; one suite runs
   on both. Nothing is written, and nothing outside of the given octets is read. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdint.h>
#include <string.h>

#define BLOCK 16 /* what every 64-bit processor compares at once */

typedef uint8_t block __attribute__((vector_size(BLOCK)));

static block load(const uint8_t *octets)
{
    block loaded;
    memcpy(&loaded, octets, BLOCK);
    return loaded;
}

static int any(block mask)
{
    uint64_t halves[2];
    memcpy(halves, &mask, BLOCK);
    return (halves[0] | halves[1]) != 0;
}

/* Where the first CR LF . begins at `start` or behind it; -1 if nowhere. */
static Py_ssize_t dot_at(const uint8_t *octets, Py_ssize_t length, Py_ssize_t start)
{
    Py_ssize_t at = start, last = length - 3; /* the last place where one can begin */
    for (; at + BLOCK + 2 <= length; at += BLOCK) {
        block found = (block)(load(octets + at) == '\r') & (block)(load(octets + at + 1) == '\n') &
                      (block)(load(octets + at + 2) == '.');
        if (any(found))
            break;
    }
    for (; at <= last; at++)
        if (octets[at] == '\r' && octets[at + 1] == '\n' && octets[at + 2] == '.')
            return at;
    return -1;
}

static int has_stray(const uint8_t *octets, Py_ssize_t length)
{
    if (length == 0)
        return 0;
    if (octets[0] == '\n' || octets[length - 1] == '\r')
        return 1;
    Py_ssize_t at = 0;
    for (; at + BLOCK + 1 <= length; at += BLOCK)
        if (any((block)(load(octets + at) == '\r') ^ (block)(load(octets + at + 1) == '\n')))
            return 1;
    for (; at + 1 < length; at++)
        if ((octets[at] == '\r') != (octets[at + 1] == '\n'))
            return 1;
    return 0;
}

static PyObject *refused(void)
{
    PyErr_SetString(PyExc_TypeError, "bytes are wanted, and a place in them");
    return NULL;
}

static PyObject *scans_find_dot(PyObject *Py_UNUSED(module), PyObject *const *arguments, Py_ssize_t count)
{
    if (count != 2 || !PyBytes_Check(arguments[0]))
        return refused();
    Py_ssize_t start = PyLong_AsSsize_t(arguments[1]);
    if (start < 0)
        return PyErr_Occurred() ? NULL : refused();
    const uint8_t *octets = (const uint8_t *)PyBytes_AS_STRING(arguments[0]);
    Py_ssize_t length = PyBytes_GET_SIZE(arguments[0]);
    return PyLong_FromSsize_t(start >= length ? -1 : dot_at(octets, length, start));
}

static PyObject *scans_has_stray(PyObject *Py_UNUSED(module), PyObject *octets)
{
    if (!PyBytes_Check(octets))
        return refused();
    return PyBool_FromLong(has_stray((const uint8_t *)PyBytes_AS_STRING(octets), PyBytes_GET_SIZE(octets)));
}

static PyMethodDef methods[] = {
    {"find_dot", (PyCFunction)(void (*)(void))scans_find_dot, METH_FASTCALL,
     "find_dot(octets, start): where the first CR LF . begins at `start` (not negative) or behind it; -1 if nowhere.\n"
     "Raises: TypeError."},
    {"has_stray", scans_has_stray, METH_O,
     "has_stray(octets): is there a CR without LF, or LF without CR? Raises: TypeError."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "outgate.smtp._scans",
    .m_doc = "The two scans of content.",
    .m_methods = methods,
    .m_size = -1,
};

PyMODINIT_FUNC PyInit__scans(void)
{
    return PyModule_Create(&definition);
}
