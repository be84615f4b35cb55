import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.OutputStream;
import java.security.PrivateKey;
import java.security.spec.MGF1ParameterSpec;
import java.security.spec.PSSParameterSpec;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import org.bouncycastle.asn1.ASN1ObjectIdentifier;
import org.bouncycastle.asn1.cms.CMSObjectIdentifiers;
import org.bouncycastle.asn1.x509.SubjectKeyIdentifier;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cms.CMSProcessableByteArray;
import org.bouncycastle.cms.CMSSignedData;
import org.bouncycastle.cms.CMSSignedDataGenerator;
import org.bouncycastle.cms.CMSSignedDataParser;
import org.bouncycastle.cms.CMSSignedDataStreamGenerator;
import org.bouncycastle.cms.CMSSignedGenerator;
import org.bouncycastle.cms.CMSTypedStream;
import org.bouncycastle.cms.SignerInfoGenerator;
import org.bouncycastle.cms.SignerInformation;
import org.bouncycastle.cms.SignerInformationStore;
import org.bouncycastle.cms.jcajce.JcaSignerInfoGeneratorBuilder;
import org.bouncycastle.cms.jcajce.JcaSimpleSignerInfoVerifierBuilder;
import org.bouncycastle.operator.ContentSigner;
import org.bouncycastle.operator.DigestCalculatorProvider;
import org.bouncycastle.operator.jcajce.JcaContentSignerBuilder;
import org.bouncycastle.operator.jcajce.JcaDigestCalculatorProviderBuilder;
import org.bouncycastle.util.Store;

/** SignedData: made and verified. Trust is not its business: a certificate is taken as it is. */
final class Signing {
    private static final int PIECE = 7;

    private Signing() {}

    static DigestCalculatorProvider digests() throws Exception {
        return new JcaDigestCalculatorProviderBuilder().setProvider("BC").build();
    }

    /** "SHA256withRSA", "Ed25519" and so on, or "PSS digest mask-digest salt-length". */
    static ContentSigner signer(String algorithm, PrivateKey key) throws Exception {
        String[] words = algorithm.split(" ");
        if (!words[0].equals("PSS")) {
            return new JcaContentSignerBuilder(algorithm).setProvider("BC").build(key);
        }
        PSSParameterSpec spec =
                new PSSParameterSpec(
                        words[1],
                        "MGF1",
                        new MGF1ParameterSpec(words[2]),
                        Integer.parseInt(words[3]),
                        1);
        return new JcaContentSignerBuilder("RSAPSS", spec).setProvider("BC").build(key);
    }

    private static byte[] keyIdentifier(X509CertificateHolder certificate) {
        return SubjectKeyIdentifier.fromExtensions(certificate.getExtensions()).getKeyIdentifier();
    }

    static List<SignerInfoGenerator> signers(Peer.Question asked) throws Exception {
        List<SignerInfoGenerator> found = new ArrayList<>();
        for (int at = 0; at < asked.all("key").size(); at++) {
            JcaSignerInfoGeneratorBuilder builder =
                    new JcaSignerInfoGeneratorBuilder(digests())
                            .setDirectSignature(asked.has("bare"));
            PrivateKey key = Peer.key(asked.all("key").get(at));
            ContentSigner signer = signer(asked.texts("algorithm").get(at), key);
            X509CertificateHolder who = new X509CertificateHolder(asked.all("certificate").get(at));
            found.add(
                    asked.has("keyid")
                            ? builder.build(signer, keyIdentifier(who))
                            : builder.build(signer, who));
        }
        return found;
    }

    private static void fill(CMSSignedGenerator into, Peer.Question asked) throws Exception {
        for (SignerInfoGenerator each : signers(asked)) {
            into.addSignerInfoGenerator(each);
        }
        for (byte[] each : asked.all("certificate")) {
            into.addCertificate(new X509CertificateHolder(each));
        }
    }

    /** Writes in small pieces, which BER octet strings show. */
    static void pieces(OutputStream into, byte[] content) throws Exception {
        for (int at = 0; at < content.length; at += PIECE) {
            into.write(content, at, Math.min(PIECE, content.length - at));
        }
        into.close();
    }

    private static ASN1ObjectIdentifier type(Peer.Question asked) {
        return asked.all("type").isEmpty()
                ? CMSObjectIdentifiers.data
                : new ASN1ObjectIdentifier(asked.text("type"));
    }

    static byte[] sign(Peer.Question asked) throws Exception {
        boolean opaque = !asked.has("detached");
        byte[] content = asked.one("content");
        if (asked.has("stream")) {
            CMSSignedDataStreamGenerator generator = new CMSSignedDataStreamGenerator();
            generator.setBufferSize(PIECE);
            fill(generator, asked);
            ByteArrayOutputStream out = new ByteArrayOutputStream();
            pieces(generator.open(type(asked), out, opaque), content);
            return out.toByteArray();
        }
        CMSSignedDataGenerator generator = new CMSSignedDataGenerator();
        fill(generator, asked);
        CMSSignedData made =
                generator.generate(new CMSProcessableByteArray(type(asked), content), opaque);
        return asked.has("der") ? made.getEncoded("DER") : made.getEncoded();
    }

    static byte[] countersign(Peer.Question asked) throws Exception {
        CMSSignedData signed = new CMSSignedData(asked.one("cms"));
        List<SignerInformation> found = new ArrayList<>();
        for (SignerInformation each : signed.getSignerInfos().getSigners()) {
            CMSSignedDataGenerator generator = new CMSSignedDataGenerator();
            fill(generator, asked);
            SignerInformationStore counter = generator.generateCounterSigners(each);
            found.add(SignerInformation.addCounterSigners(each, counter));
        }
        CMSSignedData countersigned =
                CMSSignedData.replaceSigners(signed, new SignerInformationStore(found));
        return countersigned.getEncoded();
    }

    // --- reading

    @SuppressWarnings("unchecked") // SignerId selects holders, and does not say so
    private static Collection<X509CertificateHolder> matches(
            Store<X509CertificateHolder> bag, SignerInformation signer) {
        return bag.getMatches(signer.getSID());
    }

    private static void check(
            SignerInformation signer, Store<X509CertificateHolder> bag, Peer.Question asked)
            throws Exception {
        Collection<X509CertificateHolder> named = new ArrayList<>(matches(bag, signer));
        for (byte[] each : asked.all("certificate")) {
            X509CertificateHolder known = new X509CertificateHolder(each);
            if (signer.getSID().match(known)) {
                named.add(known);
            }
        }
        if (named.isEmpty()) {
            throw new Peer.Refusal("nobody knows the signer");
        }
        JcaSimpleSignerInfoVerifierBuilder builder =
                new JcaSimpleSignerInfoVerifierBuilder().setProvider("BC");
        if (!signer.verify(builder.build(named.iterator().next()))) {
            throw new Peer.Refusal("the signature is not good");
        }
    }

    private static byte[] count(int number) {
        return Integer.toString(number).getBytes();
    }

    /** The content, the number of signers and that of countersigners: all of them are good. */
    static byte[][] checkAll(
            byte[] content,
            SignerInformationStore signers,
            Store<X509CertificateHolder> bag,
            Peer.Question asked)
            throws Exception {
        if (signers.size() == 0) {
            throw new Peer.Refusal("nobody signed");
        }
        int counter = 0;
        for (SignerInformation signer : signers.getSigners()) {
            check(signer, bag, asked);
            for (SignerInformation each : signer.getCounterSignatures().getSigners()) {
                check(each, bag, asked);
                counter++;
            }
        }
        return new byte[][] {content, count(signers.size()), count(counter)};
    }

    static byte[][] verify(Peer.Question asked) throws Exception {
        byte[] cms = asked.one("cms");
        byte[] detached = asked.all("content").isEmpty() ? null : asked.one("content");
        if (asked.has("stream")) {
            return verifyStream(asked, cms, detached);
        }
        CMSSignedData signed =
                detached == null
                        ? new CMSSignedData(cms)
                        : new CMSSignedData(new CMSProcessableByteArray(detached), cms);
        byte[] content = (byte[]) signed.getSignedContent().getContent();
        return checkAll(content, signed.getSignerInfos(), signed.getCertificates(), asked);
    }

    private static byte[][] verifyStream(Peer.Question asked, byte[] cms, byte[] detached)
            throws Exception {
        CMSSignedDataParser parser =
                detached == null
                        ? new CMSSignedDataParser(digests(), cms)
                        : new CMSSignedDataParser(
                                digests(),
                                new CMSTypedStream(new ByteArrayInputStream(detached)),
                                cms);
        byte[] content = parser.getSignedContent().getContentStream().readAllBytes();
        @SuppressWarnings("unchecked") // a raw Store until 1.72 and later
        Store<X509CertificateHolder> bag = parser.getCertificates();
        return checkAll(content, parser.getSignerInfos(), bag, asked);
    }
}
