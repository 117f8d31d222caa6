// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * bwctl-reach.
 */
int main(void)
{
	return 0;
}
