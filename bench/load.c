/* load.c - sends requests to one URL of a local httpd and checks each answer.
 *
 *     load [-c CONNECTIONS] [-n REQUESTS | -s SECONDS]
 *          [-p MICROSECONDS | -r RATE [-o FILE]] [-x] PORT PATH BODY
 *
 * Each connection is a thread that sends one request after the other: -n in
 * all (divided among the connections), or for -s seconds, or until SIGTERM;
 * with a pause of -p before each. With -r the requests of all connections are
 * due at RATE a second, whatever became of those before; for each FILE gets a
 * line: when it was due, by the monotonic clock, and what it took from then,
 * both in microseconds; in no order. Keep-alive; with -x every second
 * connection asks for "close" and connects anew each time. An answer counts
 * when its status is 200 and its body is BODY; "-" takes any body. Prints one
 * line:
 *
 *     requests=N failed=N retried=N reconnected=N seconds=S
 *
 * and the first failures on stderr; the exit status is 1 if anything failed.
 *
 * The one surprising rule: a server may close an idle kept-alive connection
 * just when a request is on its way (RFC 9112, 9.3.1). Such a request, of
 * which not one byte was answered, is sent once more on a new connection and
 * counted as retried, not as failed. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define BUFFER_SIZE 65536
#define TIMEOUT_SECONDS 30
#define SHOWN_FAILURES 5

typedef enum {
    ANSWERED,     /* complete and as expected; the connection may go on */
    ANSWERED_END, /* the same, and the server closes the connection */
    NO_ANSWER,    /* closed before the first byte of an answer */
    FAILED        /* anything else; told on stderr */
} outcome_t;

typedef struct {
    const char *path;
    const char *body;
    size_t body_length;
    int port;
    int close_each;     /* ask for "close" each time */
    useconds_t pause;   /* before each request */
    double due;         /* when the next request is; -r */
    double interval;    /* from one to the next; 0: no -r */
    double first_due;
    unsigned *took;     /* microseconds of each request; -r, ours */
    long took_room;
    long requests;      /* to send, or -1: until the end is called */
    long done;
    long failed;
    long retried;
    long reconnected;
    int fd;             /* -1: not connected */
    char request[1024];
    size_t request_length;
    char buffer[BUFFER_SIZE];  /* the answer as it arrives */
    char decoded[BUFFER_SIZE]; /* its body, when it came in chunks */
} client_t;

static atomic_int stopped;
static atomic_int shown;

static void
stop(int signal_number)
{
    atomic_store(&stopped, 1);
}

static double
now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static outcome_t
fail(const char *what, const char *data)
{
    if (atomic_fetch_add(&shown, 1) < SHOWN_FAILURES) {
        fprintf(stderr, "load: %s%s%.300s\n", what, data ? ": " : "",
                data ? data : "");
    }
    return FAILED;
}

static int
open_connection(client_t *client)
{
    struct sockaddr_in address = {0};
    struct timeval timeout = {TIMEOUT_SECONDS, 0};
    int one = 1;

    address.sin_family = AF_INET;
    address.sin_port = htons((uint16_t)client->port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (client->fd < 0) {
        return -1;
    }
    setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    setsockopt(client->fd, SOL_SOCKET, SO_RCVTIMEO, &timeout,
               sizeof(timeout));
    if (connect(client->fd, (struct sockaddr *)&address, sizeof(address))
        < 0) {
        close(client->fd);
        client->fd = -1;
        return -1;
    }
    return 0;
}

static void
close_connection(client_t *client)
{
    if (client->fd >= 0) {
        close(client->fd);
        client->fd = -1;
    }
}

/* Decode what has arrived of a chunked body; out is as big as data. The
 * decoded length; -1 when more must come, -2 when it is malformed. */
static long
decode_chunks(const char *data, size_t length, char *out)
{
    size_t at = 0;
    size_t decoded = 0;

    for (;;) {
        const char *end_of_line = memmem(data + at, length - at, "\r\n", 2);
        char *end_of_size;
        unsigned long size;

        if (!end_of_line) {
            return -1;
        }
        size = strtoul(data + at, &end_of_size, 16);
        if (end_of_size == data + at || size > BUFFER_SIZE) {
            return -2;
        }
        at = (size_t)(end_of_line - data) + 2;
        if (at + size + 2 > length) {
            return -1;
        }
        if (memcmp(data + at + size, "\r\n", 2) != 0) {
            return -2;
        }
        if (size == 0) {
            out[decoded] = '\0';
            return (long)decoded;
        }
        memcpy(out + decoded, data + at, size);
        decoded += size;
        at += size + 2;
    }
}

/* Is the answer in the buffer complete? Sets *body and *body_length. 1, 0
 * when more must come, -1 when it is malformed. */
static int
find_body(client_t *client, size_t length, int at_end, const char **body,
          size_t *body_length)
{
    char *headers_end = memmem(client->buffer, length, "\r\n\r\n", 4);
    const char *field;
    size_t arrived;
    long decoded;

    if (!headers_end) {
        return 0;
    }
    *headers_end = '\0'; /* the searches below end with the headers */
    *body = headers_end + 4;
    arrived = length - (size_t)(*body - client->buffer);
    field = strcasestr(client->buffer, "\r\nContent-Length:");
    if (field) {
        *body_length = strtoul(field + 17, NULL, 10);
        decoded = arrived >= *body_length ? 0 : -1;
    }
    else if (strcasestr(client->buffer, "\r\nTransfer-Encoding: chunked")) {
        decoded = decode_chunks(*body, arrived, client->decoded);
        *body = client->decoded;
        *body_length = decoded < 0 ? 0 : (size_t)decoded;
    }
    else {
        *body_length = arrived;
        decoded = at_end ? 0 : -1;
    }
    if (decoded == -1) {
        *headers_end = '\r';
        return 0;
    }
    return decoded < 0 ? -1 : 1;
}

static outcome_t
judge(const client_t *client, const char *body, size_t body_length)
{
    if (strncmp(client->buffer, "HTTP/1.1 200 ", 13) != 0) {
        return fail("status is not 200", client->buffer);
    }
    if (client->body && (body_length != client->body_length
                         || memcmp(body, client->body, body_length) != 0)) {
        return fail("unexpected body", body_length ? body : NULL);
    }
    if (strcasestr(client->buffer, "\r\nConnection: close")) {
        return ANSWERED_END;
    }
    return ANSWERED;
}

static outcome_t
read_answer(client_t *client)
{
    size_t length = 0;

    for (;;) {
        ssize_t got = recv(client->fd, client->buffer + length,
                           sizeof(client->buffer) - 1 - length, 0);
        const char *body;
        size_t body_length;
        int complete;

        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0 && length == 0
            && (got == 0 || errno == ECONNRESET || errno == EPIPE)) {
            return NO_ANSWER;
        }
        if (got < 0) {
            return fail("cannot read", strerror(errno));
        }
        length += (size_t)got;
        client->buffer[length] = '\0';
        complete = find_body(client, length, got == 0, &body, &body_length);
        if (complete > 0) {
            return judge(client, body, body_length);
        }
        if (complete < 0 || got == 0) {
            return fail("incomplete or malformed answer", client->buffer);
        }
        if (length == sizeof(client->buffer) - 1) {
            return fail("answer too long", NULL);
        }
    }
}

static outcome_t
exchange(client_t *client)
{
    size_t sent = 0;

    while (sent < client->request_length) {
        ssize_t n = send(client->fd, client->request + sent,
                         client->request_length - sent, MSG_NOSIGNAL);

        if (n < 0 && (errno == EPIPE || errno == ECONNRESET)) {
            return NO_ANSWER;
        }
        if (n < 0 && errno != EINTR) {
            return fail("cannot write", strerror(errno));
        }
        sent += n > 0 ? (size_t)n : 0;
    }
    return read_answer(client);
}

/* One request, with a new connection if there is none, and once more if an
 * old connection ended under it. */
static void
send_one(client_t *client)
{
    int reused = client->fd >= 0;
    outcome_t outcome;

    if (!reused && open_connection(client) < 0) {
        fail("cannot connect", strerror(errno));
        client->failed++;
        return;
    }
    client->reconnected += !reused;
    outcome = exchange(client);
    if (outcome == NO_ANSWER && reused) {
        client->retried++;
        close_connection(client);
        send_one(client);
        return;
    }
    if (outcome == NO_ANSWER) {
        outcome = fail("a new connection was closed without an answer", NULL);
    }
    client->failed += outcome == FAILED;
    if (outcome != ANSWERED || client->close_each) {
        close_connection(client);
    }
}

static void
wait_until(double due)
{
    struct timespec t;

    t.tv_sec = (time_t)due;
    t.tv_nsec = (long)((due - (double)t.tv_sec) * 1e9);
    while (!atomic_load(&stopped)
           && clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL)
                  == EINTR) {
    }
}

/* The request that was due is done. */
static void
note_time(client_t *client)
{
    if (client->done == client->took_room) {
        client->took_room = client->took_room ? client->took_room * 2 : 1024;
        client->took = realloc(client->took, (size_t)client->took_room
                                                 * sizeof(*client->took));
        if (!client->took) {
            exit(2);
        }
    }
    client->took[client->done] = (unsigned)((now() - client->due) * 1e6);
    client->due += client->interval;
}

static void *
run_client(void *data)
{
    client_t *client = data;

    while (!atomic_load(&stopped)
           && (client->requests < 0 || client->done < client->requests)) {
        if (client->interval > 0) {
            wait_until(client->due);
            if (atomic_load(&stopped)) {
                break;
            }
        }
        else if (client->pause) {
            usleep(client->pause);
        }
        send_one(client);
        if (client->interval > 0) {
            note_time(client);
        }
        client->done++;
    }
    close_connection(client);
    return NULL;
}

static void
prepare(client_t *client, int port, const char *path, const char *body)
{
    client->port = port;
    client->path = path;
    client->body = strcmp(body, "-") == 0 ? NULL : body;
    client->body_length = strlen(body);
    client->fd = -1;
    client->request_length = (size_t)snprintf(
        client->request, sizeof(client->request),
        "GET %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", path,
        client->close_each ? "Connection: close\r\n" : "");
}

static int
run(client_t *clients, int count)
{
    pthread_t *threads = calloc((size_t)count, sizeof(*threads));
    client_t sum = {0};
    double started = now();
    int i;

    if (!threads) {
        return 2;
    }
    for (i = 0; i < count; i++) {
        if (pthread_create(&threads[i], NULL, run_client, &clients[i]) != 0) {
            fprintf(stderr, "load: cannot start thread %d\n", i);
            exit(2);
        }
    }
    for (i = 0; i < count; i++) {
        pthread_join(threads[i], NULL);
        sum.done += clients[i].done;
        sum.failed += clients[i].failed;
        sum.retried += clients[i].retried;
        sum.reconnected += clients[i].reconnected;
    }
    printf("requests=%ld failed=%ld retried=%ld reconnected=%ld "
           "seconds=%.6f\n",
           sum.done, sum.failed, sum.retried, sum.reconnected,
           now() - started);
    free(threads);
    return sum.failed > 0;
}

static int
write_times(const char *name, client_t *clients, int count)
{
    FILE *file = fopen(name, "w");
    int failed = !file;
    int i;

    for (i = 0; i < count && !failed; i++) {
        long n;

        for (n = 0; n < clients[i].done; n++) {
            double due = clients[i].first_due
                         + (double)n * clients[i].interval;

            fprintf(file, "%.0f %u\n", due * 1e6, clients[i].took[n]);
        }
    }
    if (file && fclose(file) != 0) {
        failed = 1;
    }
    if (failed) {
        fprintf(stderr, "load: %s: %s\n", name, strerror(errno));
    }
    return failed ? 2 : 0;
}

int
main(int argc, char **argv)
{
    int connections = 1;
    double rate = 0;
    const char *times = NULL;
    double started;
    int mixed = 0;
    long requests = -1;
    unsigned seconds = 0;
    useconds_t pause = 0;
    client_t *clients;
    int option;
    int status;
    int i;

    while ((option = getopt(argc, argv, "c:n:o:p:r:s:x")) != -1) {
        switch (option) {
        case 'c':
            connections = atoi(optarg);
            break;
        case 'n':
            requests = atol(optarg);
            break;
        case 'o':
            times = optarg;
            break;
        case 'p':
            pause = (useconds_t)atol(optarg);
            break;
        case 'r':
            rate = atof(optarg);
            break;
        case 's':
            seconds = (unsigned)atoi(optarg);
            break;
        case 'x':
            mixed = 1;
            break;
        default:
            return 2;
        }
    }
    if (argc - optind != 3 || connections < 1) {
        fprintf(stderr, "usage: load [-c CONNECTIONS] [-n REQUESTS | "
                        "-s SECONDS] [-p MICROSECONDS | -r RATE [-o FILE]] "
                        "[-x] PORT PATH BODY\n");
        return 2;
    }
    clients = calloc((size_t)connections, sizeof(*clients));
    if (!clients) {
        return 2;
    }
    started = now();
    for (i = 0; i < connections; i++) {
        if (rate > 0) {
            clients[i].first_due = started + i / rate;
            clients[i].due = clients[i].first_due;
            clients[i].interval = connections / rate;
        }
        clients[i].requests = requests < 0 ? -1 : requests / connections;
        clients[i].close_each = mixed && i % 2;
        clients[i].pause = pause;
        prepare(&clients[i], atoi(argv[optind]), argv[optind + 1],
                argv[optind + 2]);
    }
    signal(SIGTERM, stop);
    signal(SIGALRM, stop);
    alarm(seconds);
    status = run(clients, connections);
    if (times && rate > 0) {
        status |= write_times(times, clients, connections);
    }
    for (i = 0; i < connections; i++) {
        free(clients[i].took);
    }
    free(clients);
    return status;
}
