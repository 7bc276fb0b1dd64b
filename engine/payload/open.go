package payload

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
)

// Open opens the bucket of an address, and makes a store of it:
//
//	dir:/var/lib/paragon/payloads
//	s3://bucket/prefix?endpoint=https://minio.example.org:9000&region=eu-central-1
//
// Without an endpoint the bucket is one of AWS. What signs is never part of the
// address; see S3Options.
func Open(address string) (*Store, error) {
	u, err := url.Parse(address)
	if err != nil {
		var e *url.Error // quotes the address, which may hold a secret
		if errors.As(err, &e) {
			err = e.Err
		}
		return nil, fmt.Errorf("it is not an address: %w", err)
	}
	var b Bucket
	switch u.Scheme {
	case "dir", "file":
		path := u.Opaque + u.Path
		if u.Host != "" || u.RawQuery != "" || path == "" {
			return nil, fmt.Errorf("%q names no directory: write it like dir:/var/lib/paragon/payloads", address)
		}
		if path, err = filepath.Abs(filepath.FromSlash(path)); err != nil {
			return nil, err
		}
		b, err = OpenDir(path)
	case "s3":
		b, err = openS3(u)
	default:
		return nil, fmt.Errorf("%q is neither dir:/path nor s3://bucket", address)
	}
	if err != nil {
		return nil, err
	}
	return New(b), nil
}

func openS3(u *url.URL) (Bucket, error) {
	if u.Host == "" || u.User != nil {
		return nil, fmt.Errorf("%q: write it like s3://bucket/prefix?endpoint=https://host; what signs is read from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY", u.Redacted())
	}
	o := S3Options{Endpoint: "s3.amazonaws.com", Bucket: u.Host, Prefix: u.Path}
	for name, values := range u.Query() {
		switch value := values[len(values)-1]; name {
		case "region":
			o.Region = value
		case "endpoint":
			at, err := url.Parse(value)
			if err != nil || at.Host == "" || at.Scheme != "https" && at.Scheme != "http" || at.Path != "" && at.Path != "/" {
				return nil, fmt.Errorf("endpoint=%q is not the address of a server: write it like https://minio.example.org:9000", value)
			}
			o.Endpoint, o.Insecure = at.Host, at.Scheme == "http"
		default:
			return nil, fmt.Errorf("%q: there is endpoint and region, not %s", u.Redacted(), name)
		}
	}
	return OpenS3(o)
}
