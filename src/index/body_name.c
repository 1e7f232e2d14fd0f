#include "index/body_name.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void body_name(int64_t number, char name[BODY_NAME_SIZE])
{
	snprintf(
	    name, BODY_NAME_SIZE, "body/%02x/%012llx", (unsigned)(number >> 16) & 0xff, (unsigned long long)number);
}

int64_t body_number(const char *name)
{
	char again[BODY_NAME_SIZE];
	if (strlen(name) != BODY_FIRST_DIGIT + 12)
		return -1;
	int64_t number = (int64_t)strtoull(name + BODY_FIRST_DIGIT, NULL, 16);
	body_name(number, again);
	return strcmp(name, again) == 0 ? number : -1;
}
