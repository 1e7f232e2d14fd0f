/*
 * verbs: the command line, one file for each verb. argv[0] is the name of the verb. Each function returns the exit
 * status of curlew and reports errors on stderr. One thread calls them.
 */
#ifndef CURLEW_VERBS_VERBS_H
#define CURLEW_VERBS_VERBS_H

enum {
	VERB_DONE = 0,
	VERB_ERROR = 1,
	VERB_USAGE = 2,
	VERB_NOTHING = 3 /* nothing was found; explain: no hit; verify: a fault */
};

int verb_serve(int argc, char **argv);
int verb_get(int argc, char **argv); /* a failed transfer: curl's exit status */
int verb_ls(int argc, char **argv);
int verb_show(int argc, char **argv);
int verb_stats(int argc, char **argv);
int verb_config(int argc, char **argv);
int verb_cat(int argc, char **argv);
int verb_explain(int argc, char **argv);
int verb_purge(int argc, char **argv);
int verb_pin(int argc, char **argv);
int verb_unpin(int argc, char **argv);
int verb_rekey(int argc, char **argv);
int verb_rule(int argc, char **argv);
int verb_gc(int argc, char **argv);
int verb_verify(int argc, char **argv);
int verb_sql(int argc, char **argv);
int verb_backup(int argc, char **argv);
int verb_restore(int argc, char **argv);

#endif
