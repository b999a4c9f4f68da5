package main

import (
@if token
	"encoding/json"
@end
	"fmt"
	"io"
	"log"
	"net/http"
	"net/url"
	"os"
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

func main() {
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
