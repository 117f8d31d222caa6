/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What "bwctl check" finds of a survey: a line for each thing that was looked at, and if
 * it is not as it should be, what to do. Pure: looks at nothing by itself. The names of
 * what is checked are for programs and for docs/troubleshooting.md: they stay.
 */
#ifndef CHECK_H
#define CHECK_H

#include "finding.h"
#include "survey.h"

void check_survey(const struct survey *survey, struct findings *findings);

#endif
