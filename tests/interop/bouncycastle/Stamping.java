import java.math.BigInteger;
import java.util.Arrays;
import java.util.Date;
import org.bouncycastle.asn1.ASN1ObjectIdentifier;
import org.bouncycastle.asn1.nist.NISTObjectIdentifiers;
import org.bouncycastle.asn1.x509.AlgorithmIdentifier;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cert.jcajce.JcaCertStore;
import org.bouncycastle.cms.CMSSignedData;
import org.bouncycastle.cms.SignerInfoGenerator;
import org.bouncycastle.cms.jcajce.JcaSignerInfoGeneratorBuilder;
import org.bouncycastle.cms.jcajce.JcaSimpleSignerInfoVerifierBuilder;
import org.bouncycastle.operator.DigestCalculator;
import org.bouncycastle.tsp.TimeStampRequest;
import org.bouncycastle.tsp.TimeStampRequestGenerator;
import org.bouncycastle.tsp.TimeStampToken;
import org.bouncycastle.tsp.TimeStampTokenGenerator;

/** Time-stamp tokens (RFC 3161): made and validated. */
final class Stamping {
    private static final ASN1ObjectIdentifier POLICY = new ASN1ObjectIdentifier("1.2.3.4.1");

    private Stamping() {}

    private static byte[] digest(ASN1ObjectIdentifier algorithm, byte[] data) throws Exception {
        DigestCalculator calculator = Signing.digests().get(new AlgorithmIdentifier(algorithm));
        calculator.getOutputStream().write(data);
        return calculator.getDigest();
    }

    /** A token on "stamped", at "time" in seconds. */
    static byte[] stamp(Peer.Question asked) throws Exception {
        X509CertificateHolder who = new X509CertificateHolder(asked.one("certificate"));
        SignerInfoGenerator signer =
                new JcaSignerInfoGeneratorBuilder(Signing.digests())
                        .build(Signing.signer(asked.text("algorithm"), Peer.key(asked.one("key"))), who);
        AlgorithmIdentifier sha256 = new AlgorithmIdentifier(NISTObjectIdentifiers.id_sha256);
        TimeStampTokenGenerator generator =
                new TimeStampTokenGenerator(signer, Signing.digests().get(sha256), POLICY);
        generator.addCertificates(new JcaCertStore(Arrays.asList(who)));
        ASN1ObjectIdentifier imprint = new ASN1ObjectIdentifier(asked.text("digest"));
        TimeStampRequestGenerator requests = new TimeStampRequestGenerator();
        requests.setCertReq(true);
        TimeStampRequest request =
                requests.generate(imprint, digest(imprint, asked.one("stamped")), BigInteger.TEN);
        Date time = new Date(1000 * Long.parseLong(asked.text("time")));
        return generator.generate(request, BigInteger.valueOf(42), time).getEncoded();
    }

    /** The time of a token on "stamped", in seconds. */
    static byte[] check(Peer.Question asked) throws Exception {
        CMSSignedData signed =
                new CMSSignedData(asked.one("cms"));
        TimeStampToken token = new TimeStampToken(signed);
        X509CertificateHolder who = new X509CertificateHolder(asked.one("certificate"));
        token.validate(new JcaSimpleSignerInfoVerifierBuilder().setProvider("BC").build(who));
        byte[] imprint = token.getTimeStampInfo().getMessageImprintDigest();
        ASN1ObjectIdentifier algorithm = token.getTimeStampInfo().getMessageImprintAlgOID();
        if (!Arrays.equals(imprint, digest(algorithm, asked.one("stamped")))) {
            throw new Peer.Refusal("the token stamps something else");
        }
        return Long.toString(token.getTimeStampInfo().getGenTime().getTime() / 1000).getBytes();
    }
}
