import java.io.IOException;
import java.math.BigInteger;
import java.security.PrivateKey;
import java.security.SecureRandom;
import org.bouncycastle.asn1.ASN1Encodable;
import org.bouncycastle.asn1.ASN1EncodableVector;
import org.bouncycastle.asn1.ASN1Integer;
import org.bouncycastle.asn1.ASN1ObjectIdentifier;
import org.bouncycastle.asn1.ASN1OctetString;
import org.bouncycastle.asn1.ASN1Sequence;
import org.bouncycastle.asn1.ASN1TaggedObject;
import org.bouncycastle.asn1.DEROctetString;
import org.bouncycastle.asn1.DERSequence;
import org.bouncycastle.asn1.DERTaggedObject;
import org.bouncycastle.asn1.cms.IssuerAndSerialNumber;
import org.bouncycastle.asn1.cms.OtherRecipientInfo;
import org.bouncycastle.asn1.cms.RecipientIdentifier;
import org.bouncycastle.asn1.cms.RecipientInfo;
import org.bouncycastle.asn1.nist.NISTObjectIdentifiers;
import org.bouncycastle.asn1.x509.AlgorithmIdentifier;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cms.CMSException;
import org.bouncycastle.cms.RecipientInfoGenerator;
import org.bouncycastle.crypto.agreement.kdf.ConcatenationKDFGenerator;
import org.bouncycastle.crypto.digests.SHA256Digest;
import org.bouncycastle.crypto.engines.AESWrapEngine;
import org.bouncycastle.crypto.engines.RSABlindedEngine;
import org.bouncycastle.crypto.params.AsymmetricKeyParameter;
import org.bouncycastle.crypto.params.KDFParameters;
import org.bouncycastle.crypto.params.KeyParameter;
import org.bouncycastle.crypto.params.RSAKeyParameters;
import org.bouncycastle.crypto.util.PrivateKeyFactory;
import org.bouncycastle.crypto.util.PublicKeyFactory;
import org.bouncycastle.operator.GenericKey;
import org.bouncycastle.util.BigIntegers;

/**
 * RSA-KEM in a KEMRecipientInfo (RFC 9629, RFC 9690), with KDF3 and SHA-256: younger than Bouncy
 * Castle 1.72, which has RSA, the KDF (it calls it the concatenation KDF), the wrap and the syntax.
 */
final class RsaKem {
    private static final ASN1ObjectIdentifier ORI_KEM =
            new ASN1ObjectIdentifier("1.2.840.113549.1.9.16.13.3");
    private static final ASN1ObjectIdentifier KEM = new ASN1ObjectIdentifier("1.0.18033.2.2.4");
    private static final AlgorithmIdentifier KDF3 =
            new AlgorithmIdentifier(
                    new ASN1ObjectIdentifier("1.3.133.16.840.9.44.1.2"),
                    new AlgorithmIdentifier(NISTObjectIdentifiers.id_sha256));

    private RsaKem() {}

    private static int size(AsymmetricKeyParameter key) {
        return (((RSAKeyParameters) key).getModulus().bitLength() + 7) / 8;
    }

    private static byte[] raw(AsymmetricKeyParameter key, byte[] number) {
        RSABlindedEngine engine = new RSABlindedEngine();
        engine.init(true, key);
        byte[] out = engine.processBlock(number, 0, number.length);
        return BigIntegers.asUnsignedByteArray(size(key), new BigInteger(1, out));
    }

    private static byte[] kdf3(byte[] secret, byte[] info, int size) {
        ConcatenationKDFGenerator kdf = new ConcatenationKDFGenerator(new SHA256Digest());
        kdf.init(new KDFParameters(secret, info));
        byte[] out = new byte[size];
        kdf.generateBytes(out, 0, size);
        return out;
    }

    /** The key-encryption key, of the number that was transported (RFC 9690, A; RFC 9629, 5). */
    private static byte[] kek(byte[] number, AlgorithmIdentifier wrap, int size, byte[] ukm)
            throws IOException {
        ASN1EncodableVector info = new ASN1EncodableVector();
        info.add(wrap);
        info.add(new ASN1Integer(size));
        if (ukm != null) {
            info.add(new DERTaggedObject(true, 0, new DEROctetString(ukm)));
        }
        byte[] secret = kdf3(number, new byte[0], size);
        return kdf3(secret, new DERSequence(info).getEncoded("DER"), size);
    }

    /** Wraps for one recipient. */
    static final class Generator implements RecipientInfoGenerator {
        private final X509CertificateHolder who;
        private final AlgorithmIdentifier wrap;
        private final byte[] ukm;

        Generator(X509CertificateHolder who, ASN1ObjectIdentifier wrap, byte[] ukm) {
            this.who = who;
            this.wrap = new AlgorithmIdentifier(wrap);
            this.ukm = ukm;
        }

        @Override
        public RecipientInfo generate(GenericKey key) throws CMSException {
            try {
                AsymmetricKeyParameter peer =
                        PublicKeyFactory.createKey(who.getSubjectPublicKeyInfo());
                BigInteger modulus = ((RSAKeyParameters) peer).getModulus();
                BigInteger number =
                        BigIntegers.createRandomInRange(
                                BigInteger.TWO,
                                modulus.subtract(BigInteger.TWO),
                                new SecureRandom());
                byte[] octets = BigIntegers.asUnsignedByteArray(size(peer), number);
                int size = Montgomery.keySize(wrap);
                AESWrapEngine engine = new AESWrapEngine();
                engine.init(true, new KeyParameter(kek(octets, wrap, size, ukm)));
                byte[] content = Others.octets(key);
                byte[] wrapped = engine.wrap(content, 0, content.length);
                return new RecipientInfo(
                        new OtherRecipientInfo(ORI_KEM, info(raw(peer, octets), size, wrapped)));
            } catch (IOException error) {
                throw new CMSException("no key encapsulation", error);
            }
        }

        private DERSequence info(byte[] ciphertext, int size, byte[] wrapped) {
            ASN1EncodableVector found = new ASN1EncodableVector();
            found.add(new ASN1Integer(0));
            found.add(
                    new RecipientIdentifier(new IssuerAndSerialNumber(who.toASN1Structure())));
            found.add(new AlgorithmIdentifier(KEM));
            found.add(new DEROctetString(ciphertext));
            found.add(KDF3);
            found.add(new ASN1Integer(size));
            if (ukm != null) {
                found.add(new DERTaggedObject(true, 0, new DEROctetString(ukm)));
            }
            found.add(wrap);
            found.add(new DEROctetString(wrapped));
            return new DERSequence(found);
        }
    }

    /** The content-encryption key in a RecipientInfo; null where it is of another kind. */
    static byte[] open(RecipientInfo recipient, PrivateKey key) throws Exception {
        if (!(recipient.getInfo() instanceof OtherRecipientInfo)) {
            return null;
        }
        OtherRecipientInfo other = (OtherRecipientInfo) recipient.getInfo();
        ASN1Sequence info = ASN1Sequence.getInstance(other.getValue());
        AlgorithmIdentifier kem = AlgorithmIdentifier.getInstance(info.getObjectAt(2));
        if (!other.getType().equals(ORI_KEM) || !kem.getAlgorithm().equals(KEM)) {
            return null;
        }
        if (!sameKdf(AlgorithmIdentifier.getInstance(info.getObjectAt(4)))) {
            throw new Peer.Refusal("another KDF");
        }
        int size = ASN1Integer.getInstance(info.getObjectAt(5)).intValueExact();
        int at = info.getObjectAt(6) instanceof ASN1TaggedObject ? 7 : 6;
        byte[] ukm = at == 6 ? null : tagged(info.getObjectAt(6));
        AlgorithmIdentifier wrap = AlgorithmIdentifier.getInstance(info.getObjectAt(at));
        AsymmetricKeyParameter mine = PrivateKeyFactory.createKey(key.getEncoded());
        byte[] kek = kek(raw(mine, octets(info.getObjectAt(3))), wrap, size, ukm);
        return Derived.unwrap(kek, octets(info.getObjectAt(at + 1)));
    }

    /** The parameters of the digest may be NULL (RFC 5754, 2). */
    private static boolean sameKdf(AlgorithmIdentifier found) {
        AlgorithmIdentifier digest = AlgorithmIdentifier.getInstance(found.getParameters());
        return found.getAlgorithm().equals(KDF3.getAlgorithm())
                && digest.getAlgorithm().equals(NISTObjectIdentifiers.id_sha256);
    }

    private static byte[] tagged(ASN1Encodable value) {
        return octets(((ASN1TaggedObject) value).getExplicitBaseObject());
    }

    private static byte[] octets(ASN1Encodable value) {
        return ASN1OctetString.getInstance(value).getOctets();
    }
}
