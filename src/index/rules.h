/* rules: reads the table rule. The thread of the connection calls. */
#ifndef CURLEW_INDEX_RULES_H
#define CURLEW_INDEX_RULES_H

#include "http/rule.h"
#include "index/index.h"

/* All rules, sorted. An invalid rule is left out. The caller frees them. NULL: an error, logged. */
struct rules *index_rules(struct index *);

#endif
