// Clients of golang.org/x/oauth2 that have keys, against the Jeton at ISSUER. Prints the tokens that they get, as JSON.
//
//	clients ISSUER FOLDER PORTAL_SECRET
//
// FOLDER has the keys: worker.pem of the client `worker`, idp.pem of the trusted issuer https://idp.example.com.
package main

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
	bearer "golang.org/x/oauth2/jwt"
)

var issuer, folder, secret = os.Args[1], os.Args[2], os.Args[3]

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

// authenticated is a transport that says which client is asking, which the library leaves to the user of its http.Client.
type authenticated struct{ client, secret string }

func (a authenticated) RoundTrip(request *http.Request) (*http.Response, error) {
	request = request.Clone(request.Context())
	request.SetBasicAuth(a.client, a.secret)
	return http.DefaultTransport.RoundTrip(request)
}

func key(name string) []byte {
	return must(os.ReadFile(filepath.Join(folder, name+".pem")))
}

// worker is a client with a key. An assertion counts once, and a Config has only one: each token needs another Config.
func worker() *clientcredentials.Config {
	block, _ := pem.Decode(key("worker"))
	private := must(x509.ParsePKCS8PrivateKey(block.Bytes))
	signing := jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: private, KeyID: "own"}}
	now := time.Now()
	claims := jwt.Claims{
		Issuer: "worker", Subject: "worker", Audience: jwt.Audience{issuer}, ID: rand.Text(),
		IssuedAt: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(time.Minute)),
	}
	assertion := must(jwt.Signed(must(jose.NewSigner(signing, nil))).Claims(claims).Serialize())
	return &clientcredentials.Config{
		ClientID: "worker", TokenURL: issuer + "/auth/token", Scopes: []string{"read"}, AuthStyle: oauth2.AuthStyleInParams,
		EndpointParams: url.Values{
			"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
			"client_assertion":      {assertion},
		},
	}
}

// portal presents what an issuer says of its people (the JWT bearer grant).
func portal(subject string) (*oauth2.Token, error) {
	config := bearer.Config{
		Email: "https://idp.example.com", Subject: subject, PrivateKey: key("idp"), PrivateKeyID: "own",
		Audience: issuer, TokenURL: issuer + "/auth/token",
	}
	client := &http.Client{Transport: authenticated{"portal", secret}}
	return config.TokenSource(context.WithValue(context.Background(), oauth2.HTTPClient, client)).Token()
}

func main() {
	_, stranger := portal("mallory")
	var refused *oauth2.RetrieveError
	if !errors.As(stranger, &refused) {
		log.Fatal(stranger)
	}
	fmt.Println(string(must(json.Marshal(map[string]string{
		"worker":  must(worker().Token(context.Background())).AccessToken,
		"portal":  must(portal("ann")).AccessToken,
		"mallory": string(refused.Body),
	}))))
}
