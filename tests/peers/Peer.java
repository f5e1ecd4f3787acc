// SPDX-License-Identifier: Apache-2.0
// A client by Java: java Peer.java PORT HOST CA VERSION [resume]. Prints version and suite of each connection, and what came. The chain and the
// name are checked.
import java.io.*;
import java.net.*;
import java.security.*;
import java.security.cert.*;
import javax.net.ssl.*;

public class Peer {
    public static void main(String[] a) throws Exception {
        KeyStore roots = KeyStore.getInstance(KeyStore.getDefaultType());
        roots.load(null, null);
        try (InputStream in = new FileInputStream(a[2])) {
            roots.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(in));
        }
        TrustManagerFactory trust = TrustManagerFactory.getInstance("PKIX");
        trust.init(roots);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, trust.getTrustManagers(), null);
        long first = 0;
        for (int i = 0; i < (a.length > 4 ? 2 : 1); i++) {
            Socket plain = new Socket("127.0.0.1", Integer.parseInt(a[0]));
            SSLSocket s = (SSLSocket) context.getSocketFactory().createSocket(plain, a[1], Integer.parseInt(a[0]), true);
            SSLParameters p = s.getSSLParameters();
            p.setProtocols(new String[] { "TLSv" + a[3] });
            p.setEndpointIdentificationAlgorithm("HTTPS");
            p.setApplicationProtocols(new String[] { "http/1.1" });
            s.setSSLParameters(p);
            s.startHandshake();
            SSLSession session = s.getSession();
            boolean resumed = i > 0 && session.getCreationTime() == first;
            first = session.getCreationTime();
            System.out.println(session.getProtocol() + " " + session.getCipherSuite() + " " + s.getApplicationProtocol() + (resumed ? " resumed" : " full"));
            s.getOutputStream().write(("GET / HTTP/1.1\r\nHost: " + a[1] + "\r\nConnection: close\r\n\r\n").getBytes());
            System.out.println(new String(s.getInputStream().readAllBytes()));
            s.close();
        }
    }
}
