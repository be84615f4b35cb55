import java.io.ByteArrayOutputStream;
import java.security.Key;
import java.util.Arrays;
import org.bouncycastle.asn1.ASN1ObjectIdentifier;
import org.bouncycastle.asn1.BEROctetString;
import org.bouncycastle.asn1.DEROctetString;
import org.bouncycastle.asn1.cms.CMSObjectIdentifiers;
import org.bouncycastle.asn1.cms.ContentInfo;
import org.bouncycastle.asn1.cms.DigestedData;
import org.bouncycastle.asn1.nist.NISTObjectIdentifiers;
import org.bouncycastle.asn1.x509.AlgorithmIdentifier;
import org.bouncycastle.cms.CMSAuthenticatedData;
import org.bouncycastle.cms.CMSAuthenticatedDataGenerator;
import org.bouncycastle.cms.CMSAuthenticatedDataStreamGenerator;
import org.bouncycastle.cms.CMSCompressedData;
import org.bouncycastle.cms.CMSCompressedDataGenerator;
import org.bouncycastle.cms.CMSCompressedDataStreamGenerator;
import org.bouncycastle.cms.CMSDigestedData;
import org.bouncycastle.cms.CMSEncryptedData;
import org.bouncycastle.cms.CMSEncryptedDataGenerator;
import org.bouncycastle.cms.CMSProcessableByteArray;
import org.bouncycastle.cms.RecipientInformation;
import org.bouncycastle.cms.jcajce.JceCMSMacCalculatorBuilder;
import org.bouncycastle.cms.jcajce.JceKeyTransAuthenticatedRecipient;
import org.bouncycastle.cms.jcajce.ZlibCompressor;
import org.bouncycastle.cms.jcajce.ZlibExpanderProvider;
import org.bouncycastle.operator.DigestCalculator;
import org.bouncycastle.operator.GenericKey;
import org.bouncycastle.operator.MacCalculator;
import org.bouncycastle.operator.OutputEncryptor;
import org.bouncycastle.operator.jcajce.JceInputDecryptorProviderBuilder;

/** The other content types: compressed, digested, encrypted, authenticated. */
final class Others {
    private Others() {}

    static byte[] octets(GenericKey key) {
        Object inside = key.getRepresentation();
        return inside instanceof Key ? ((Key) inside).getEncoded() : (byte[]) inside;
    }

    static byte[][] write(Peer.Question asked) throws Exception {
        switch (asked.text("kind")) {
            case "compressed":
                return new byte[][] {compressed(asked)};
            case "digested":
                return new byte[][] {digested(asked)};
            case "encrypted":
                return encrypted(asked);
            case "authenticated":
                return new byte[][] {authenticated(asked)};
            default:
                throw new Peer.Refusal("unknown kind");
        }
    }

    static byte[] read(Peer.Question asked) throws Exception {
        byte[] cms = asked.one("cms");
        switch (asked.text("kind")) {
            case "compressed":
                return new CMSCompressedData(cms).getContent(new ZlibExpanderProvider());
            case "digested":
                CMSDigestedData found = new CMSDigestedData(cms);
                if (!found.verify(Signing.digests())) {
                    throw new Peer.Refusal("the digest is another");
                }
                return (byte[]) found.getDigestedContent().getContent();
            case "encrypted":
                return new CMSEncryptedData(ContentInfo.getInstance(cms))
                        .getContent(
                                new JceInputDecryptorProviderBuilder()
                                        .setProvider("BC")
                                        .build(asked.one("key")));
            case "authenticated":
                return readAuthenticated(asked, cms);
            default:
                throw new Peer.Refusal("unknown kind");
        }
    }

    private static byte[] compressed(Peer.Question asked) throws Exception {
        byte[] content = asked.one("content");
        if (!asked.has("stream")) {
            return new CMSCompressedDataGenerator()
                    .generate(new CMSProcessableByteArray(content), new ZlibCompressor())
                    .getEncoded();
        }
        CMSCompressedDataStreamGenerator generator = new CMSCompressedDataStreamGenerator();
        generator.setBufferSize(7);
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        Signing.pieces(generator.open(out, new ZlibCompressor()), content);
        return out.toByteArray();
    }

    /** Bouncy Castle has no generator for it: its syntax, in BER, and its digest. */
    private static byte[] digested(Peer.Question asked) throws Exception {
        AlgorithmIdentifier algorithm = AlgorithmIdentifier.getInstance(asked.one("digest"));
        DigestCalculator calculator = Signing.digests().get(algorithm);
        calculator.getOutputStream().write(asked.one("content"));
        ContentInfo inside =
                new ContentInfo(CMSObjectIdentifiers.data, new BEROctetString(asked.one("content")));
        DigestedData made = new DigestedData(algorithm, inside, calculator.getDigest());
        return new ContentInfo(CMSObjectIdentifiers.digestedData, made).getEncoded();
    }

    /** The message, and the key that Bouncy Castle chose for it. */
    private static byte[][] encrypted(Peer.Question asked) throws Exception {
        OutputEncryptor encryptor = Enveloping.encryptor(asked);
        byte[] made =
                new CMSEncryptedDataGenerator()
                        .generate(new CMSProcessableByteArray(asked.one("content")), encryptor)
                        .toASN1Structure()
                        .getEncoded();
        return new byte[][] {made, octets(encryptor.getKey())};
    }

    private static byte[] authenticated(Peer.Question asked) throws Exception {
        MacCalculator mac =
                new JceCMSMacCalculatorBuilder(new ASN1ObjectIdentifier(asked.text("mac")))
                        .setProvider("BC")
                        .build();
        AlgorithmIdentifier sha256 = new AlgorithmIdentifier(NISTObjectIdentifiers.id_sha256);
        DigestCalculator digest =
                asked.has("attributes") ? Signing.digests().get(sha256) : null;
        CMSProcessableByteArray content = new CMSProcessableByteArray(asked.one("content"));
        if (asked.has("stream")) {
            CMSAuthenticatedDataStreamGenerator generator =
                    new CMSAuthenticatedDataStreamGenerator();
            generator.setBufferSize(7);
            Recipients.add(generator, asked);
            ByteArrayOutputStream out = new ByteArrayOutputStream();
            Signing.pieces(
                    digest == null ? generator.open(out, mac) : generator.open(out, mac, digest),
                    asked.one("content"));
            return out.toByteArray();
        }
        CMSAuthenticatedDataGenerator generator = new CMSAuthenticatedDataGenerator();
        Recipients.add(generator, asked);
        return (digest == null
                        ? generator.generate(content, mac)
                        : generator.generate(content, mac, digest))
                .getEncoded();
    }

    private static byte[] readAuthenticated(Peer.Question asked, byte[] cms) throws Exception {
        CMSAuthenticatedData found = new CMSAuthenticatedData(cms, Signing.digests());
        RecipientInformation first = found.getRecipientInfos().getRecipients().iterator().next();
        byte[] content =
                first.getContent(
                        new JceKeyTransAuthenticatedRecipient(Peer.key(asked.one("key")))
                                .setProvider("BC"));
        if (!Arrays.equals(found.getMac(), first.getMac())) {
            throw new Peer.Refusal("the MAC is another");
        }
        if (found.getAuthAttrs() != null
                && !Arrays.equals(found.getContentDigest(), first.getContentDigest())) {
            throw new Peer.Refusal("the digest is another");
        }
        return content;
    }
}
