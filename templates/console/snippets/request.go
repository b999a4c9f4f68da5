package main

import (
@if key
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
@end
@if json
	"encoding/json"
@end
@if key
	"encoding/pem"
@end
	"fmt"
	"io"
	"log"
	"net/http"
	"net/url"
	"os"
@if key
	"time"
@end
)

func read(answer *http.Response, err error) []byte {
	if err != nil {
		log.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		log.Fatal(err)
	}
	if answer.StatusCode != http.StatusOK {
		log.Fatalf("%s %s", answer.Status, body)
	}
	return body
}

@if key
// An assertion, which counts once (RFC 7523): signed by the key whose public half is registered.
func sign(clientID, issuer string) string {
	file, err := os.ReadFile(os.Getenv("PRIVATE_KEY_FILE"))
	if err != nil {
		log.Fatal(err)
	}
	block, _ := pem.Decode(file)
	if block == nil {
		log.Fatal("the key is not in PEM")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		log.Fatal(err)
	}
	part := func(value map[string]any) string {
		text, _ := json.Marshal(value)
		return base64.RawURLEncoding.EncodeToString(text)
	}
	jti := make([]byte, 16)
	if _, err := rand.Read(jti); err != nil {
		log.Fatal(err)
	}
	now := time.Now().Unix()
	claims := part(map[string]any{
		"iss": clientID, "sub": clientID, "aud": issuer, "iat": now, "exp": now + 60,
		"jti": base64.RawURLEncoding.EncodeToString(jti),
	})
	var signed string
	var signature []byte
	switch key := key.(type) {
	case ed25519.PrivateKey:
		signed = part(map[string]any{"alg": "EdDSA"}) + "." + claims
		signature = ed25519.Sign(key, []byte(signed))
	case *ecdsa.PrivateKey:
		signed = part(map[string]any{"alg": "ES256"}) + "." + claims
		hash := sha256.Sum256([]byte(signed))
		r, s, err := ecdsa.Sign(rand.Reader, key, hash[:])
		if err != nil {
			log.Fatal(err)
		}
		signature = append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	case *rsa.PrivateKey:
		signed = part(map[string]any{"alg": "RS256"}) + "." + claims
		hash := sha256.Sum256([]byte(signed))
		if signature, err = rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, hash[:]); err != nil {
			log.Fatal(err)
		}
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}

@end
func main() {
@if key
	assertion := sign(@client_id@, @issuer@)
@end
	answer := read(http.PostForm(@url@, url.Values{
		@fields@
	}))
@if token
	var token struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal(answer, &token); err != nil {
		log.Fatal(err)
	}
	request, err := http.NewRequest("GET", @api@, nil)
	if err != nil {
		log.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token.AccessToken)
	fmt.Println(http.StatusOK, string(read(http.DefaultClient.Do(request))))
@end
@if answer
	fmt.Println(string(answer))
@end
}
