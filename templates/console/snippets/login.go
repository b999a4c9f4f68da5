package main

import (
@if paste
	"bufio"
@end
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log"
@if listen
	"net"
@end
	"net/http"
	"net/url"
@if os
	"os"
@end
@if paste
	"strings"
@end
)

func random(bytes int) string {
	random := make([]byte, bytes)
	if _, err := rand.Read(random); err != nil {
		log.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(random)
}

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

func main() {
@if listen
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	redirectURI := @redirect_origin@ + fmt.Sprintf(":%d", port) + @redirect_path@
@end
@if paste
	redirectURI := @redirect_uri@
@end
	state, verifier := random(16), random(32)
	hash := sha256.Sum256([]byte(verifier))
	challenge := base64.RawURLEncoding.EncodeToString(hash[:])
	question := url.Values{
		@question@
	}
	fmt.Println("Open this address in a browser, and log in:")
	fmt.Println(@authorization_endpoint@ + "?" + question.Encode())
@if listen
	came := make(chan url.Values, 1)
	go http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "You can close this window.")
		select {
		case came <- r.URL.Query():
		default:
		}
	}))
	parameters := <-came
@end
@if paste
	fmt.Println("Paste the address to which the browser was sent, whatever it shows:")
	line, err := bufio.NewReader(os.Stdin).ReadString('\n')
	if err != nil {
		log.Fatal(err)
	}
	address, err := url.Parse(strings.TrimSpace(line))
	if err != nil {
		log.Fatal(err)
	}
	parameters := address.Query()
@end
	if parameters.Get("state") != state || parameters.Get("iss") != @issuer@ {
		log.Fatal("This is no answer to this login.")
	}
	code := parameters.Get("code")
	if code == "" {
		log.Fatalf("%s: %s", parameters.Get("error"), parameters.Get("error_description"))
	}

	answer := read(http.PostForm(@url@, url.Values{
		@fields@
	}))
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
}
