package daemon_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/go-oauth2/oauth2/v4"
	"github.com/go-oauth2/oauth2/v4/errors"
	"github.com/go-oauth2/oauth2/v4/manage"
	"github.com/go-oauth2/oauth2/v4/models"
	"github.com/go-oauth2/oauth2/v4/server"
)

// serve starts a far side of the test's own.
func serve(t *testing.T, handlers map[string]http.HandlerFunc) string {
	t.Helper()
	mux := http.NewServeMux()
	for pattern, h := range handlers {
		mux.HandleFunc(pattern, h)
	}
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s.URL
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

// pages are 25 numbers, ten a page, in the three ways in which APIs page. Page 2 is
// rate-limited once; the last page of /broken fails.
func pages(t *testing.T) string {
	var mu sync.Mutex
	limited := map[string]bool{}
	list := func(from int) []int {
		var out []int
		for i := from; i < min(from+10, 25); i++ {
			out = append(out, i)
		}
		return out
	}
	refused := func(w http.ResponseWriter, r *http.Request, page int) bool {
		mu.Lock()
		defer mu.Unlock()
		if page != 2 || limited[r.URL.Path] {
			return false
		}
		limited[r.URL.Path] = true
		w.Header().Set("Retry-After", "0")
		w.WriteHeader(http.StatusTooManyRequests)
		return true
	}
	number := func(r *http.Request) int {
		n, err := strconv.Atoi(r.URL.Query().Get("page"))
		if err != nil {
			return 1
		}
		return n
	}
	byNumber := func(w http.ResponseWriter, r *http.Request) {
		page := number(r)
		if r.URL.Path == "/broken" && page == 3 {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		if !refused(w, r, page) {
			answer(w, map[string]any{"items": list((page - 1) * 10), "pages": 3})
		}
	}
	return serve(t, map[string]http.HandlerFunc{
		"/number": byNumber,
		"/broken": byNumber,
		"/cursor": func(w http.ResponseWriter, r *http.Request) {
			from, _ := strconv.Atoi(r.URL.Query().Get("after")) // none is 0
			if refused(w, r, from/10+1) {
				return
			}
			body := map[string]any{"items": list(from), "next": nil}
			if from+10 < 25 {
				body["next"] = strconv.Itoa(from + 10)
			}
			answer(w, body)
		},
		"/link": func(w http.ResponseWriter, r *http.Request) {
			page := number(r)
			if refused(w, r, page) {
				return
			}
			if page < 3 {
				w.Header().Set("Link", fmt.Sprintf(`</link?page=%d>; rel="next", </link?page=1>; rel="first"`, page+1))
			}
			answer(w, list((page-1)*10))
		},
	})
}

// oauth is a real authorization server with one client, and an API behind it.
func oauth(t *testing.T, id, secret string, client server.ClientInfoHandler) (url string, tokens *tokenStore) {
	tokens = &tokenStore{byAccess: map[string]oauth2.TokenInfo{}}
	m := manage.NewDefaultManager()
	m.MapTokenStorage(tokens)
	m.MapClientStorage(clientStore{&models.Client{ID: id, Secret: secret}})
	srv := server.NewServer(server.NewConfig(), m)
	srv.SetClientInfoHandler(client)
	srv.SetInternalErrorHandler(func(err error) *errors.Response { return nil })
	return serve(t, map[string]http.HandlerFunc{
		"/token": func(w http.ResponseWriter, r *http.Request) {
			if err := srv.HandleTokenRequest(w, r); err != nil {
				w.WriteHeader(http.StatusInternalServerError)
			}
		},
		"/api": func(w http.ResponseWriter, r *http.Request) {
			info, err := srv.ValidationBearerToken(r)
			if err != nil {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			answer(w, map[string]any{"client": info.GetClientID(), "scope": info.GetScope()})
		},
	}), tokens
}

type clientStore struct{ client *models.Client }

func (s clientStore) GetByID(_ context.Context, id string) (oauth2.ClientInfo, error) {
	if id != s.client.ID {
		return nil, errors.ErrInvalidClient
	}
	return s.client, nil
}

// tokenStore keeps access tokens; the client-credentials grant has no others.
type tokenStore struct {
	oauth2.TokenStore
	mu       sync.Mutex
	byAccess map[string]oauth2.TokenInfo
	issued   int
}

func (s *tokenStore) Create(_ context.Context, info oauth2.TokenInfo) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.byAccess[info.GetAccess()] = info
	s.issued++
	return nil
}

func (s *tokenStore) GetByAccess(_ context.Context, access string) (oauth2.TokenInfo, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if info := s.byAccess[access]; info != nil {
		return info, nil
	}
	return nil, errors.ErrInvalidAccessToken
}

// revoke makes every token invalid, and says how many there were.
func (s *tokenStore) revoke() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.byAccess)
	return s.issued
}

// files gives out a file of bytes that are no text, and tells what it is sent.
func files(t *testing.T) string {
	data := make([]byte, 5000)
	for i := range data {
		data[i] = byte(i * i)
	}
	return serve(t, map[string]http.HandlerFunc{
		"GET /file": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/octet-stream")
			_, _ = w.Write(data)
		},
		"POST /upload": func(w http.ResponseWriter, r *http.Request) {
			f, head, err := r.FormFile("file")
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			got, _ := io.ReadAll(f) // what is cut short has another sum
			sum, want := sha256.Sum256(got), sha256.Sum256(data)
			answer(w, map[string]any{"name": head.Filename, "type": head.Header.Get("Content-Type"), "same": hex.EncodeToString(sum[:]) == hex.EncodeToString(want[:]), "note": r.FormValue("note")})
		},
	})
}

// soon waits until a condition holds that nothing signals.
func soon(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(15 * time.Second)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 15 s", what)
		}
		time.Sleep(10 * time.Millisecond) // a poll of what has no signal
	}
}
