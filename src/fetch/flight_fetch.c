/* The callbacks of the engine come from the member `ops`, which flight.c sets: so the files that begin another fetch
 * need not know flight_receive.c, which calls them. */
#include "fetch/flight_fetch.h"

#include "fetch/flight_engine.h"
#include "fetch/flight_state.h"
#include "fetch/flight_table.h"
#include "fetch/named_sites.h"
#include "http/key.h"

/* A redirect that a rule follows may lead to another site by its name; "*" is only for the hosts of clients. */
static const struct named_site *site_of(const struct flight *f)
{
	const struct named_site *site = named_sites_of_url(f->flights->config.sites, f->fetch_url);
	bool redirected = site != NULL && f->hops > 0 && !key_same_origin(f->url, f->fetch_url);
	return redirected && site->name[0] == '*' && site->name[1] == '\0' ? NULL : site;
}

int flight_fetch_begin(struct flight *f, const struct flight_fetch_request *request)
{
	struct fetch_spec spec = {
	    .method = f->method,
	    .url = f->fetch_url,
	    .fields = request->fields,
	    .upload_bytes = request->upload_bytes,
	    .asterisk = request->asterisk,
	    .site = site_of(f),
	    .trusted = request->trusted,
	    .again = request->again,
	    /* Only then may the engine send it again when a kept connection turns out dead (RFC 9110 9.2.2). */
	    .idempotent = !policy_is_unsafe(span_of(f->method)) && request->upload_bytes == ENGINE_NO_UPLOAD,
	};
	f->fetch = engine_start(f->engine->engine, &spec, f->ops, f);
	return f->fetch != NULL ? 0 : -1;
}

int flight_fetch_continue(struct flight *f, const struct flight_fetch_request *request)
{
	f->engine = &f->flights->own;
	return flight_fetch_begin(f, request);
}
