/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Standard input, output and error are there, in whatever state a program was started.
 */
#ifndef STREAMS_H
#define STREAMS_H

/*
 * In the place of those that are closed puts what can be neither read nor written, so that
 * no file of ours takes their number and gets what was meant for them. To be called first.
 */
void streams_hold(void);

#endif
