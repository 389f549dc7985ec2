/*
The baseline of any fan-out: a server that does nothing but call send().

It takes so many websockets, answers each handshake without reading it, and then sends one finished frame to
every one of them, at a fixed pace, until it is stopped.

usage: baseline PORT CONNECTIONS FRAME_BYTES FRAMES_A_SECOND
*/
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static const char ANSWER[] =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";

static void check(int result, const char *what) {
    if (result < 0) {
        perror(what);
        exit(1);
    }
}

/* A text frame of the server, without a mask, as RFC 6455 section 5.2 has it. */
static char *build_frame(size_t size, size_t *frame_size) {
    char *frame = malloc(size + 4);
    size_t head = size < 126 ? 2 : 4;
    frame[0] = (char)0x81;
    if (size < 126) {
        frame[1] = (char)size;
    } else {
        frame[1] = 126;
        frame[2] = (char)(size >> 8);
        frame[3] = (char)(size & 255);
    }
    memset(frame + head, 'x', size);
    *frame_size = head + size;
    return frame;
}

int main(int count, char **words) {
    if (count != 5) {
        fprintf(stderr, "usage: baseline PORT CONNECTIONS FRAME_BYTES FRAMES_A_SECOND\n");
        return 2;
    }
    int connections = atoi(words[2]), one = 1;
    size_t frame_size, payload_size = (size_t)atoi(words[3]);
    if (connections <= 0 || payload_size == 0 || payload_size > 65535 || atof(words[4]) <= 0) {
        fprintf(stderr, "floor: a frame has 1 to 65535 bytes, and the pace is positive\n");
        return 2;
    }
    char *frame = build_frame(payload_size, &frame_size), request[4096];
    int *sockets = malloc(sizeof(int) * (size_t)connections);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(words[1]))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);

    int listener = socket(AF_INET, SOCK_STREAM, 0);
    check(listener, "socket");
    check(setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one), "setsockopt");
    check(bind(listener, (struct sockaddr *)&address, sizeof address), "bind");
    check(listen(listener, 4096), "listen");
    for (int number = 0; number < connections;) {
        int taken = accept(listener, NULL, NULL);
        check(taken, "accept");
        /* A probe of the port sends nothing. */
        if (recv(taken, request, sizeof request, 0) <= 0) {
            close(taken);
            continue;
        }
        setsockopt(taken, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        send(taken, ANSWER, sizeof ANSWER - 1, MSG_NOSIGNAL);
        sockets[number++] = taken;
    }

    struct timespec due;
    clock_gettime(CLOCK_MONOTONIC, &due);
    long pause_ns = (long)(1e9 / atof(words[4]));
    for (;;) {
        due.tv_nsec += pause_ns;
        while (due.tv_nsec >= 1000000000) {
            due.tv_nsec -= 1000000000;
            due.tv_sec++;
        }
        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL) == EINTR) {
        }
        for (int number = 0; number < connections; number++)
            send(sockets[number], frame, frame_size, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
}
