import java.io.ByteArrayInputStream;
import java.io.OutputStream;
import java.security.SecureRandom;
import javax.crypto.Cipher;
import javax.crypto.CipherOutputStream;
import javax.crypto.spec.IvParameterSpec;
import javax.crypto.spec.SecretKeySpec;
import org.bouncycastle.asn1.ASN1Encodable;
import org.bouncycastle.asn1.ASN1ObjectIdentifier;
import org.bouncycastle.asn1.ASN1Set;
import org.bouncycastle.asn1.DEROctetString;
import org.bouncycastle.asn1.cms.AuthEnvelopedData;
import org.bouncycastle.asn1.cms.CMSObjectIdentifiers;
import org.bouncycastle.asn1.cms.ContentInfo;
import org.bouncycastle.asn1.cms.EncryptedContentInfo;
import org.bouncycastle.asn1.cms.EnvelopedData;
import org.bouncycastle.asn1.cms.KEKRecipientInfo;
import org.bouncycastle.asn1.cms.RecipientInfo;
import org.bouncycastle.asn1.x509.AlgorithmIdentifier;
import org.bouncycastle.cms.CMSAlgorithm;
import org.bouncycastle.cms.RecipientOperator;
import org.bouncycastle.cms.jcajce.JceKEKEnvelopedRecipient;
import org.bouncycastle.crypto.digests.SHA256Digest;
import org.bouncycastle.crypto.engines.AESWrapEngine;
import org.bouncycastle.crypto.generators.HKDFBytesGenerator;
import org.bouncycastle.crypto.params.HKDFParameters;
import org.bouncycastle.crypto.params.KeyParameter;
import org.bouncycastle.operator.GenericKey;
import org.bouncycastle.operator.OutputEncryptor;
import org.bouncycastle.operator.jcajce.JceGenericKey;
import org.bouncycastle.util.Arrays;
import org.bouncycastle.util.Strings;

/**
 * Content under a key that is bound to its cipher, CEK-HKDF (RFC 9709), which is younger than
 * Bouncy Castle 1.72: its HKDF and its ciphers. Reads RSA-KEM recipients and shared keys.
 */
final class Derived implements OutputEncryptor {
    private static final ASN1ObjectIdentifier CEK_HKDF =
            new ASN1ObjectIdentifier("1.2.840.113549.1.9.16.3.31");

    private final byte[] key = new byte[32];
    private final byte[] iv = new byte[16];
    private final AlgorithmIdentifier cipher;

    Derived() {
        SecureRandom random = new SecureRandom();
        random.nextBytes(key);
        random.nextBytes(iv);
        cipher = new AlgorithmIdentifier(CMSAlgorithm.AES256_CBC, new DEROctetString(iv));
    }

    static byte[] derive(byte[] key, AlgorithmIdentifier cipher) throws Exception {
        HKDFBytesGenerator hkdf = new HKDFBytesGenerator(new SHA256Digest());
        byte[] salt = Strings.toByteArray("The Cryptographic Message Syntax");
        hkdf.init(new HKDFParameters(key, salt, cipher.getEncoded("DER")));
        byte[] out = new byte[key.length];
        hkdf.generateBytes(out, 0, out.length);
        return out;
    }

    @Override
    public AlgorithmIdentifier getAlgorithmIdentifier() {
        return new AlgorithmIdentifier(CEK_HKDF, cipher);
    }

    @Override
    public GenericKey getKey() {
        return new JceGenericKey(getAlgorithmIdentifier(), new SecretKeySpec(key, "AES"));
    }

    @Override
    public OutputStream getOutputStream(OutputStream into) {
        try {
            Cipher running = Cipher.getInstance("AES/CBC/PKCS5Padding", "BC");
            SecretKeySpec derived = new SecretKeySpec(derive(key, cipher), "AES");
            running.init(Cipher.ENCRYPT_MODE, derived, new IvParameterSpec(iv));
            return new CipherOutputStream(into, running);
        } catch (Exception error) {
            throw new IllegalStateException(error);
        }
    }

    // --- reading

    static byte[] unwrap(byte[] kek, byte[] wrapped) throws Exception {
        AESWrapEngine engine = new AESWrapEngine();
        engine.init(false, new KeyParameter(kek));
        return engine.unwrap(wrapped, 0, wrapped.length);
    }

    private static byte[] key(ASN1Set recipients, Peer.Question asked) throws Exception {
        for (ASN1Encodable each : recipients) {
            RecipientInfo recipient = RecipientInfo.getInstance(each);
            byte[] found = null;
            if (recipient.getInfo() instanceof KEKRecipientInfo && !asked.all("kek").isEmpty()) {
                KEKRecipientInfo shared = (KEKRecipientInfo) recipient.getInfo();
                found = unwrap(asked.one("kek"), shared.getEncryptedKey().getOctets());
            } else if (!asked.all("key").isEmpty()) {
                found = RsaKem.open(recipient, Peer.key(asked.one("key")));
            }
            if (found != null) {
                return found;
            }
        }
        throw new Peer.Refusal("none of the recipients is me");
    }

    /** The content of EnvelopedData or AuthEnvelopedData without attributes. */
    static byte[] open(Peer.Question asked) throws Exception {
        ContentInfo outer = ContentInfo.getInstance(asked.one("cms"));
        if (outer.getContentType().equals(CMSObjectIdentifiers.envelopedData)) {
            EnvelopedData inside = EnvelopedData.getInstance(outer.getContent());
            return decrypt(
                    key(inside.getRecipientInfos(), asked),
                    inside.getEncryptedContentInfo(),
                    new byte[0]);
        }
        AuthEnvelopedData inside = AuthEnvelopedData.getInstance(outer.getContent());
        return decrypt(
                key(inside.getRecipientInfos(), asked),
                inside.getAuthEncryptedContentInfo(),
                inside.getMac().getOctets());
    }

    private static byte[] decrypt(byte[] key, EncryptedContentInfo content, byte[] tag)
            throws Exception {
        AlgorithmIdentifier cipher = content.getContentEncryptionAlgorithm();
        if (cipher.getAlgorithm().equals(CEK_HKDF)) {
            cipher = AlgorithmIdentifier.getInstance(cipher.getParameters());
            key = derive(key, cipher);
        }
        // Its recipients take wrapped keys, and nothing else.
        byte[] kek = new byte[32];
        AESWrapEngine engine = new AESWrapEngine();
        engine.init(true, new KeyParameter(kek));
        JceKEKEnvelopedRecipient opener =
                new JceKEKEnvelopedRecipient(new SecretKeySpec(kek, "AES"));
        RecipientOperator operator =
                opener.setProvider("BC")
                        .getRecipientOperator(
                                new AlgorithmIdentifier(CMSAlgorithm.AES256_WRAP),
                                cipher,
                                engine.wrap(key, 0, key.length));
        byte[] encrypted = Arrays.concatenate(content.getEncryptedContent().getOctets(), tag);
        return operator.getInputStream(new ByteArrayInputStream(encrypted)).readAllBytes();
    }
}
