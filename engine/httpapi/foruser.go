package httpapi

// headerUser names the user whom a request is for.
const headerUser = "Paragon-User"

// namedUser is the user whom a request is for, by its header or its body; empty
// for none.
func namedUser(r *request, body string) (string, error) {
	header := r.Header.Get(headerUser)
	if header != "" && body != "" && header != body {
		return "", badField("user", "the body's user differs from the %s header", headerUser)
	}
	return nameOr(header, body), nil
}
