package interpret

import "paragon/schema"

// Person is the user whom a run is for, as its expressions see it. The zero
// Person is nobody.
type Person struct {
	// User has id and meta, Settings what the user set for the workflow: values
	// as JSON has them.
	User, Settings any
}

// PersonOf is what expressions see of a user; nil is nobody.
func PersonOf(u *schema.RunUser) Person {
	if u == nil {
		return Person{}
	}
	meta, settings := decode(u.Meta), decode(u.Settings)
	if meta == nil {
		meta = map[string]any{}
	}
	if settings == nil {
		settings = map[string]any{}
	}
	return Person{User: map[string]any{"id": u.ID, "meta": meta}, Settings: settings}
}

// is tells whether an event that names a user is for the person: a run for
// nobody hears of all events.
func (p Person) is(named string) bool {
	user, _ := p.User.(map[string]any)
	id, _ := user["id"].(string)
	return id == "" || named == "" || id == named
}
