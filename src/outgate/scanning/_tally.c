/* Counts a message's features for the spam model, and adds up their weights.

   Optional: `tally` of scanning/spam.py is the same in Python, says what a feature is, and takes ten times as long; one
   suite runs on both. What is read is any octets of a peer: each is looked at a bounded number of times, and nothing
   is written but a bit for each place of the model. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdint.h>
#include <string.h>

#define PLACES (1u << 18)          /* as of spam.py, as all of these */
#define WORDS_LOOKED_AT 2000
#define SHOUTS_LOOKED_AT 200
#define WORD_MAX 31
#define SHOUT_MIN 4
#define SHOUT_MAX 31
#define SHOUTED 0x85EBCA6Bu
#define PAIR 0xC2B2AE35u

enum { LETTER = 1, INNER = 2, MARK = 4, DIGIT = 8, DIGITS = 16, CAPITAL = 32, WORD = 64 };

static uint8_t folded[256]; /* capitals as small letters, all digits as 9 */
static uint8_t kinds[256];  /* of an octet as it stands */
static uint32_t remainders[256];

typedef struct {
    const signed char *weights;
    uint8_t seen[PLACES / 8];
    long count;
    long sum;
} Tally;

/* The tables that the loops below ask. */
static void prepare(void)
{
    for (int octet = 0; octet < 256; octet++) {
        int small = octet >= 'a' && octet <= 'z', capital = octet >= 'A' && octet <= 'Z';
        int digit = octet >= '0' && octet <= '9', far = octet >= 0x80;
        folded[octet] = (uint8_t)(capital ? octet + 32 : digit ? '9' : octet);
        kinds[octet] = (uint8_t)((small || capital || far ? LETTER : 0) | (capital ? CAPITAL : 0) |
                                 (small || capital || digit || octet == '_' ? WORD : 0) | (digit ? DIGIT : 0) |
                                 (digit || octet == '.' || octet == ',' ? DIGITS : 0) |
                                 (octet == '!' || octet == '$' || octet == '%' ? MARK : 0));
        if (kinds[octet] & (LETTER | WORD) || octet == '\'' || octet == '-')
            kinds[octet] |= INNER;
        uint32_t remainder = (uint32_t)octet;
        for (int bit = 0; bit < 8; bit++)
            remainder = remainder & 1 ? remainder >> 1 ^ 0xEDB88320u : remainder >> 1;
        remainders[octet] = remainder;
    }
}

/* zlib's crc32. */
static uint32_t crc(const uint8_t *octets, Py_ssize_t length, uint32_t value)
{
    value = ~value;
    for (Py_ssize_t at = 0; at < length; at++)
        value = remainders[(value ^ octets[at]) & 0xFF] ^ value >> 8;
    return ~value;
}

/* The same of the folded octets, from two values at once, which takes no longer than from one. */
static void two_crcs(const uint8_t *octets, Py_ssize_t length, uint32_t *one, uint32_t *other)
{
    uint32_t first = ~*one, second = ~*other;
    for (Py_ssize_t at = 0; at < length; at++) {
        uint8_t octet = folded[octets[at]];
        first = remainders[(first ^ octet) & 0xFF] ^ first >> 8;
        second = remainders[(second ^ octet) & 0xFF] ^ second >> 8;
    }
    *one = ~first;
    *other = ~second;
}

static void add(Tally *tally, uint32_t number)
{
    uint32_t place = number & (PLACES - 1);
    uint8_t bit = (uint8_t)(1u << (place & 7));
    if (tally->seen[place >> 3] & bit)
        return;
    tally->seen[place >> 3] |= bit;
    tally->count++;
    tally->sum += tally->weights[place];
}

/* How many octets from `at` on are of this kind, at most `most`. */
static Py_ssize_t run(const uint8_t *octets, Py_ssize_t length, Py_ssize_t at, int kind, Py_ssize_t most)
{
    Py_ssize_t end = length - at > most ? at + most : length, start = at;
    while (at < end && kinds[octets[at]] & kind)
        at++;
    return at - start;
}

/* The words of a text, each with the one before it. */
static void add_words(Tally *tally, const uint8_t *octets, Py_ssize_t length, uint32_t start)
{
    uint32_t before = 0;
    Py_ssize_t taken;
    int words = 0;
    for (Py_ssize_t at = 0; at < length && words < WORDS_LOOKED_AT; at += taken) {
        uint8_t kind = kinds[octets[at]];
        if (kind & LETTER) {
            taken = 1 + run(octets, length, at + 1, INNER, WORD_MAX - 1);
            if (taken == 1)
                continue;
        } else if (kind & MARK) {
            taken = run(octets, length, at, MARK, length);
        } else if (kind & DIGIT) {
            taken = run(octets, length, at, DIGITS, length);
        } else {
            taken = 1;
            continue;
        }
        uint32_t single = start, pair = before ^ PAIR;
        two_crcs(octets + at, taken, &single, &pair);
        add(tally, single);
        if (words++)
            add(tally, pair);
        before = single;
    }
}

/* The words in capitals. */
static void add_shouts(Tally *tally, const uint8_t *octets, Py_ssize_t length, uint32_t start)
{
    int shouts = 0;
    for (Py_ssize_t at = 0; at < length && shouts < SHOUTS_LOOKED_AT;) {
        Py_ssize_t word = run(octets, length, at, WORD, length);
        if (word >= SHOUT_MIN && word <= SHOUT_MAX && run(octets, length, at, CAPITAL, word) == word) {
            add(tally, crc(octets + at, word, start ^ SHOUTED));
            shouts++;
        }
        at += word ? word : 1;
    }
}

static int add_wholes(Tally *tally, PyObject *wholes)
{
    for (Py_ssize_t at = 0; at < PyTuple_GET_SIZE(wholes); at++) {
        char *octets;
        Py_ssize_t length;
        if (PyBytes_AsStringAndSize(PyTuple_GET_ITEM(wholes, at), &octets, &length) < 0)
            return -1;
        add(tally, crc((const uint8_t *)octets, length, 0));
    }
    return 0;
}

static int add_texts(Tally *tally, PyObject *texts, long enough)
{
    for (Py_ssize_t at = 0; at < PyTuple_GET_SIZE(texts) && tally->count < enough; at++) {
        const char *octets;
        Py_ssize_t length;
        unsigned int start;
        PyObject *text = PyTuple_GET_ITEM(texts, at);
        if (!PyTuple_Check(text)) {
            PyErr_SetString(PyExc_TypeError, "a text is octets and what they are a feature of");
            return -1;
        }
        if (!PyArg_ParseTuple(text, "y#I", &octets, &length, &start))
            return -1;
        add_words(tally, (const uint8_t *)octets, length, start);
        add_shouts(tally, (const uint8_t *)octets, length, start);
    }
    return 0;
}

static PyObject *tally(PyObject *module, PyObject *arguments)
{
    (void)module;
    Tally done = {0};
    const char *weights;
    Py_ssize_t length;
    PyObject *wholes, *texts;
    long enough;
    if (!PyArg_ParseTuple(arguments, "y#O!O!l:tally", &weights, &length, &PyTuple_Type, &wholes, &PyTuple_Type, &texts,
                          &enough))
        return NULL;
    if (length != PLACES) {
        PyErr_SetString(PyExc_ValueError, "these are not the weights of all places");
        return NULL;
    }
    done.weights = (const signed char *)weights;
    if (add_wholes(&done, wholes) < 0 || add_texts(&done, texts, enough) < 0)
        return NULL;
    return Py_BuildValue("ll", done.count, done.sum);
}

static PyMethodDef methods[] = {
    {"tally", tally, METH_VARARGS,
     "tally(weights, wholes, texts, enough): as `tally` of scanning/spam.py. Raises: TypeError, ValueError."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "outgate.scanning._tally",
    .m_doc = "Features of the spam model, counted and weighed.",
    .m_methods = methods,
    .m_size = -1,
};

PyMODINIT_FUNC PyInit__tally(void)
{
    prepare();
    return PyModule_Create(&definition);
}
