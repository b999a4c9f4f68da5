import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.jwk.Curve;
import com.nimbusds.jose.jwk.ECKey;
import com.nimbusds.jose.jwk.gen.ECKeyGenerator;
import com.nimbusds.oauth2.sdk.AccessTokenResponse;
import com.nimbusds.oauth2.sdk.AuthorizationGrant;
import com.nimbusds.oauth2.sdk.ClientCredentialsGrant;
import com.nimbusds.oauth2.sdk.Scope;
import com.nimbusds.oauth2.sdk.TokenIntrospectionRequest;
import com.nimbusds.oauth2.sdk.TokenIntrospectionResponse;
import com.nimbusds.oauth2.sdk.TokenIntrospectionSuccessResponse;
import com.nimbusds.oauth2.sdk.TokenRequest;
import com.nimbusds.oauth2.sdk.as.AuthorizationServerMetadata;
import com.nimbusds.oauth2.sdk.auth.PrivateKeyJWT;
import com.nimbusds.oauth2.sdk.dpop.DefaultDPoPProofFactory;
import com.nimbusds.oauth2.sdk.http.HTTPRequest;
import com.nimbusds.oauth2.sdk.http.HTTPResponse;
import com.nimbusds.oauth2.sdk.id.ClientID;
import com.nimbusds.oauth2.sdk.id.Issuer;
import com.nimbusds.oauth2.sdk.token.AccessToken;
import com.nimbusds.oauth2.sdk.token.TokenTypeURI;
import com.nimbusds.oauth2.sdk.tokenexchange.TokenExchangeGrant;
import com.nimbusds.openid.connect.sdk.Nonce;
import java.net.URI;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * A client of the Nimbus OAuth 2.0 SDK that proves itself by a key and whose tokens are bound to another one.
 *
 * <p>Arguments: the issuer, the audience of the API, and the file with the key of the client `worker`, a JWK.
 */
public class Nimbus {
    private final AuthorizationServerMetadata server;
    private final String audience;
    private final ECKey key;
    private DefaultDPoPProofFactory proofs;
    private String thumbprint;
    private Nonce nonce;

    private Nimbus(String[] arguments) throws Exception {
        server = AuthorizationServerMetadata.resolve(new Issuer(arguments[0]));
        audience = arguments[1];
        key = ECKey.parse(Files.readString(Path.of(arguments[2])));
        takeAnotherKey();
    }

    private void takeAnotherKey() throws Exception {
        ECKey bound = new ECKeyGenerator(Curve.P_256).generate();
        proofs = new DefaultDPoPProofFactory(bound, JWSAlgorithm.ES256);
        thumbprint = bound.computeThumbprint().toString();
    }

    /** Proves who the client is; anew for each request. */
    private PrivateKeyJWT authentication() throws Exception {
        return new PrivateKeyJWT(
            new ClientID("worker"), server.getTokenEndpointURI(), JWSAlgorithm.ES256, key.toPrivateKey(), key.getKeyID(), null);
    }

    private HTTPResponse asked(AuthorizationGrant grant) throws Exception {
        TokenRequest request = new TokenRequest(server.getTokenEndpointURI(), authentication(), grant, new Scope("read"));
        HTTPRequest http = request.toHTTPRequest();
        http.setDPoP(proofs.createDPoPJWT("POST", server.getTokenEndpointURI(), nonce));
        HTTPResponse answer = http.send();
        if (answer.getDPoPNonce() != null) {
            nonce = answer.getDPoPNonce();
        }
        return answer;
    }

    private AccessToken token(AuthorizationGrant grant) throws Exception {
        HTTPResponse answer = asked(grant);
        if (nonce != null && answer.getContent().contains("use_dpop_nonce")) {
            answer = asked(grant);
        }
        check(answer.getStatusCode() == 200, answer.getContent());
        return AccessTokenResponse.parse(answer).getTokens().getDPoPAccessToken();
    }

    private TokenIntrospectionSuccessResponse introspected(AccessToken token) throws Exception {
        URI endpoint = server.getIntrospectionEndpointURI();
        HTTPRequest request = new TokenIntrospectionRequest(endpoint, authentication(), token).toHTTPRequest();
        return TokenIntrospectionResponse.parse(request.send()).toSuccessResponse();
    }

    /** What Jeton says to the proxy in front of the API. */
    private int called(AccessToken token) throws Exception {
        URI resource = URI.create(audience + "/data");
        String query = "?scope=read&audience=" + URLEncoder.encode(audience, StandardCharsets.UTF_8);
        HTTPRequest request = new HTTPRequest(HTTPRequest.Method.GET, new URI(server.getIssuer() + "/auth/verify" + query));
        request.setAuthorization(token.toAuthorizationHeader());
        request.setDPoP(proofs.createDPoPJWT("GET", resource, token, nonce));
        request.setHeader("X-Original-Method", "GET");
        request.setHeader("X-Original-URL", resource.toString());
        return request.send().getStatusCode();
    }

    private static void check(boolean holds, Object found) {
        if (!holds) {
            throw new AssertionError(found);
        }
    }

    public static void main(String[] arguments) throws Exception {
        Nimbus client = new Nimbus(arguments);
        AccessToken own = client.token(new ClientCredentialsGrant());
        AccessToken exchanged = client.token(new TokenExchangeGrant(own, TokenTypeURI.ACCESS_TOKEN));
        check(TokenTypeURI.ACCESS_TOKEN.equals(exchanged.getIssuedTokenType()), exchanged.getIssuedTokenType());
        for (AccessToken token : new AccessToken[] {own, exchanged}) {
            TokenIntrospectionSuccessResponse found = client.introspected(token);
            check(found.isActive() && found.getSubject().getValue().equals("worker"), found.toJSONObject());
            check(found.getJWKThumbprintConfirmation().getValue().toString().equals(client.thumbprint), found.toJSONObject());
            check(client.called(token) == 200, token);
        }
        client.takeAnotherKey();
        check(client.called(own) == 401, "the key of somebody else");
        System.out.println(exchanged.getValue());
    }
}
