/* fork.h - processes that programs fork: os.fork(), multiprocessing. */
#ifndef MP_RUNTIME_FORK_H
#define MP_RUNTIME_FORK_H

/* Once for the process, when it gets its Python. 0 or an errno. */
int mp_fork_install(void);

#endif
