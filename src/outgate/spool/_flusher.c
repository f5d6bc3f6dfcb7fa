/* A thread that writes and flushes without the interpreter's lock, one batch at a time.

   Optional: without it the writer thread does the same in Python (spool/segments/writer.py), and takes the lock from
   the event loop several times for each flush. The loop starts a batch with `begin`, watches `descriptor` (an eventfd,
   eventfd(2)) and takes the outcome with `end`. Nothing here decides anything: what is written where, and what a
   failure means, is the committer's. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <unistd.h>

enum state { IDLE, UNDER_WAY, ENDED, CLOSING };

typedef struct {
    PyObject_HEAD
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    enum state state; /* guarded by `lock`, as all up to `error` */
    int file;
    off_t offset;
    struct iovec *pieces; /* changed by the thread while the batch is under way */
    Py_ssize_t count;
    int error; /* errno of the batch that has ended, 0 if it is durable */
    int has_thread;
    int descriptor;
    PyObject *buffers; /* a tuple; keeps what `pieces` point to */
} Flusher;

/* Write all pieces. Returns 0, or errno. */
static int write_all(int file, struct iovec *pieces, Py_ssize_t count, off_t offset)
{
    while (count > 0) {
        ssize_t written = pwritev(file, pieces, count > IOV_MAX ? IOV_MAX : (int)count, offset);
        if (written < 0) {
            if (errno == EINTR)
                continue;
            return errno;
        }
        offset += written;
        while (count > 0 && (size_t)written >= pieces->iov_len) {
            written -= (ssize_t)pieces->iov_len;
            pieces++;
            count--;
        }
        if (written > 0) {
            pieces->iov_base = (char *)pieces->iov_base + written;
            pieces->iov_len -= (size_t)written;
        }
    }
    return 0;
}

static void *run(void *argument)
{
    Flusher *self = argument;
    pthread_mutex_lock(&self->lock);
    for (;;) {
        while (self->state != UNDER_WAY && self->state != CLOSING)
            pthread_cond_wait(&self->changed, &self->lock);
        if (self->state == CLOSING)
            break;
        pthread_mutex_unlock(&self->lock);
        int error = write_all(self->file, self->pieces, self->count, self->offset);
        if (!error && fdatasync(self->file) < 0)
            error = errno; /* never tried again: a second flush may succeed though octets are lost */
        pthread_mutex_lock(&self->lock);
        self->error = error;
        self->state = ENDED;
        pthread_cond_broadcast(&self->changed);
        uint64_t one = 1;
        ssize_t ignored = write(self->descriptor, &one, sizeof one);
        (void)ignored; /* the counter cannot overflow: `end` empties it before the next batch begins */
    }
    pthread_mutex_unlock(&self->lock);
    return NULL;
}

/* All signals are the interpreter's threads'. Returns 0, or an error number. */
static int start_thread(Flusher *self)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&self->thread, NULL, run, self);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    self->has_thread = !error;
    return error;
}

static PyObject *flusher_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {NULL};
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, ":Flusher", names))
        return NULL;
    Flusher *self = (Flusher *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    pthread_mutex_init(&self->lock, NULL);
    pthread_cond_init(&self->changed, NULL);
    self->state = IDLE;
    self->descriptor = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    int error = self->descriptor < 0 ? errno : start_thread(self);
    if (error) {
        errno = error;
        PyErr_SetFromErrno(PyExc_OSError);
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static void release_batch(Flusher *self)
{
    PyMem_Free(self->pieces);
    self->pieces = NULL;
    Py_CLEAR(self->buffers);
}

static PyObject *flusher_begin(Flusher *self, PyObject *arguments)
{
    int file;
    PyObject *given;
    long long offset;
    if (!PyArg_ParseTuple(arguments, "iOL:begin", &file, &given, &offset))
        return NULL;
    if (self->state != IDLE) { /* only the thread that calls us leaves IDLE, so no lock is needed to see it */
        PyErr_SetString(PyExc_RuntimeError, "a batch is under way, or the flusher is closed");
        return NULL;
    }
    PyObject *buffers = PySequence_Tuple(given);
    if (buffers == NULL)
        return NULL;
    Py_ssize_t count = PyTuple_GET_SIZE(buffers);
    struct iovec *pieces = PyMem_New(struct iovec, count ? count : 1);
    if (pieces == NULL) {
        Py_DECREF(buffers);
        return PyErr_NoMemory();
    }
    for (Py_ssize_t place = 0; place < count; place++) {
        PyObject *octets = PyTuple_GET_ITEM(buffers, place);
        if (!PyBytes_CheckExact(octets)) { /* immutable, and it never moves */
            PyErr_SetString(PyExc_TypeError, "only bytes can be written");
            PyMem_Free(pieces);
            Py_DECREF(buffers);
            return NULL;
        }
        pieces[place].iov_base = PyBytes_AS_STRING(octets);
        pieces[place].iov_len = (size_t)PyBytes_GET_SIZE(octets);
    }
    self->buffers = buffers;
    pthread_mutex_lock(&self->lock);
    self->pieces = pieces;
    self->count = count;
    self->file = file;
    self->offset = (off_t)offset;
    self->state = UNDER_WAY;
    pthread_cond_signal(&self->changed);
    pthread_mutex_unlock(&self->lock);
    Py_RETURN_NONE;
}

static PyObject *flusher_end(Flusher *self, PyObject *Py_UNUSED(unused))
{
    enum state state;
    int error;
    Py_BEGIN_ALLOW_THREADS
    pthread_mutex_lock(&self->lock);
    while (self->state == UNDER_WAY)
        pthread_cond_wait(&self->changed, &self->lock);
    state = self->state;
    error = self->error;
    if (state == ENDED)
        self->state = IDLE;
    pthread_mutex_unlock(&self->lock);
    Py_END_ALLOW_THREADS
    if (state != ENDED) {
        PyErr_SetString(PyExc_RuntimeError, "no batch has begun");
        return NULL;
    }
    uint64_t counter;
    ssize_t ignored = read(self->descriptor, &counter, sizeof counter);
    (void)ignored;
    release_batch(self);
    if (error) {
        errno = error;
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    Py_RETURN_NONE;
}

static PyObject *flusher_close(Flusher *self, PyObject *Py_UNUSED(unused))
{
    if (self->has_thread) {
        Py_BEGIN_ALLOW_THREADS
        pthread_mutex_lock(&self->lock);
        while (self->state == UNDER_WAY)
            pthread_cond_wait(&self->changed, &self->lock);
        self->state = CLOSING;
        pthread_cond_broadcast(&self->changed);
        pthread_mutex_unlock(&self->lock);
        pthread_join(self->thread, NULL);
        Py_END_ALLOW_THREADS
        self->has_thread = 0;
    }
    if (self->descriptor >= 0) {
        close(self->descriptor);
        self->descriptor = -1;
    }
    release_batch(self);
    Py_RETURN_NONE;
}

static void flusher_dealloc(Flusher *self)
{
    PyObject *done = flusher_close(self, NULL);
    Py_XDECREF(done);
    pthread_cond_destroy(&self->changed);
    pthread_mutex_destroy(&self->lock);
    PyTypeObject *type = Py_TYPE(self);
    type->tp_free((PyObject *)self);
    Py_DECREF(type);
}

static PyObject *flusher_descriptor(Flusher *self, void *Py_UNUSED(closure))
{
    return PyLong_FromLong(self->descriptor);
}

static PyMethodDef flusher_methods[] = {
    {"begin", (PyCFunction)flusher_begin, METH_VARARGS,
     "begin(file, buffers, offset): write all of `buffers` (bytes) at `offset` and flush the file, in the background.\n"
     "Raises: RuntimeError if a batch is under way; TypeError."},
    {"end", (PyCFunction)flusher_end, METH_NOARGS,
     "end(): wait for the batch that has begun; returns if it is durable. Raises: OSError if it is not."},
    {"close", (PyCFunction)flusher_close, METH_NOARGS,
     "close(): wait for what is under way, end the thread, close the descriptor. Idempotent."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef flusher_attributes[] = {
    {"descriptor", (getter)flusher_descriptor, NULL, "readable when a batch has ended; -1 once closed", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot flusher_slots[] = {
    {Py_tp_doc, "Writes and flushes one batch at a time on a thread without the interpreter's lock. Raises: OSError."},
    {Py_tp_new, flusher_new},
    {Py_tp_dealloc, flusher_dealloc},
    {Py_tp_methods, flusher_methods},
    {Py_tp_getset, flusher_attributes},
    {0, NULL},
};

static PyType_Spec flusher_spec = {
    .name = "outgate.spool._flusher.Flusher",
    .basicsize = sizeof(Flusher),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = flusher_slots,
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "outgate.spool._flusher",
    .m_doc = "Writing and flushing without the interpreter's lock.",
    .m_size = -1,
};

PyMODINIT_FUNC PyInit__flusher(void)
{
    PyObject *self = PyModule_Create(&module);
    PyObject *type = self == NULL ? NULL : PyType_FromSpec(&flusher_spec);
    if (type == NULL || PyModule_AddObjectRef(self, "Flusher", type) < 0) {
        Py_XDECREF(type);
        Py_XDECREF(self);
        return NULL;
    }
    Py_DECREF(type);
    return self;
}
