import java.io.ByteArrayOutputStream;
import java.security.PrivateKey;
import java.util.Date;
import java.util.Hashtable;
import java.util.Set;
import javax.crypto.spec.SecretKeySpec;
import org.bouncycastle.asn1.ASN1ObjectIdentifier;
import org.bouncycastle.asn1.DERSet;
import org.bouncycastle.asn1.cms.Attribute;
import org.bouncycastle.asn1.cms.AttributeTable;
import org.bouncycastle.asn1.cms.CMSAttributes;
import org.bouncycastle.asn1.cms.Time;
import org.bouncycastle.asn1.pkcs.PKCSObjectIdentifiers;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cms.CMSAlgorithm;
import org.bouncycastle.cms.CMSAuthEnvelopedData;
import org.bouncycastle.cms.CMSAuthEnvelopedDataGenerator;
import org.bouncycastle.cms.CMSEnvelopedData;
import org.bouncycastle.cms.CMSEnvelopedDataGenerator;
import org.bouncycastle.cms.CMSEnvelopedDataParser;
import org.bouncycastle.cms.CMSEnvelopedDataStreamGenerator;
import org.bouncycastle.cms.CMSProcessableByteArray;
import org.bouncycastle.cms.KEKRecipientInformation;
import org.bouncycastle.cms.KeyAgreeRecipientInformation;
import org.bouncycastle.cms.KeyTransRecipientInformation;
import org.bouncycastle.cms.PasswordRecipientInformation;
import org.bouncycastle.cms.Recipient;
import org.bouncycastle.cms.RecipientInformation;
import org.bouncycastle.cms.RecipientInformationStore;
import org.bouncycastle.cms.SimpleAttributeTableGenerator;
import org.bouncycastle.cms.jcajce.JceCMSContentEncryptorBuilder;
import org.bouncycastle.operator.OutputAEADEncryptor;
import org.bouncycastle.operator.OutputEncryptor;

/** EnvelopedData and AuthEnvelopedData: made and opened. */
final class Enveloping {
    private static final Set<ASN1ObjectIdentifier> WITH_TAG =
            Set.of(
                    CMSAlgorithm.AES128_GCM,
                    CMSAlgorithm.AES192_GCM,
                    CMSAlgorithm.AES256_GCM,
                    CMSAlgorithm.AES128_CCM,
                    CMSAlgorithm.AES192_CCM,
                    CMSAlgorithm.AES256_CCM,
                    PKCSObjectIdentifiers.id_alg_AEADChaCha20Poly1305);

    private Enveloping() {}

    static OutputEncryptor encryptor(Peer.Question asked) throws Exception {
        ASN1ObjectIdentifier cipher = new ASN1ObjectIdentifier(asked.text("cipher"));
        if (asked.has("derived")) {
            return new Derived();
        }
        if (asked.all("size").isEmpty()) {
            return cipher.equals(PKCSObjectIdentifiers.id_alg_AEADChaCha20Poly1305)
                    ? new ChaCha()
                    : new JceCMSContentEncryptorBuilder(cipher).setProvider("BC").build();
        }
        int bits = Integer.parseInt(asked.text("size"));
        return new JceCMSContentEncryptorBuilder(cipher, bits).setProvider("BC").build();
    }

    static byte[] encrypt(Peer.Question asked) throws Exception {
        OutputEncryptor encryptor = encryptor(asked);
        CMSProcessableByteArray content = new CMSProcessableByteArray(asked.one("content"));
        if (WITH_TAG.contains(encryptor.getAlgorithmIdentifier().getAlgorithm())) {
            CMSAuthEnvelopedDataGenerator generator = new CMSAuthEnvelopedDataGenerator();
            Recipients.add(generator, asked);
            if (asked.has("attributes")) {
                generator.setAuthenticatedAttributeGenerator(
                        new SimpleAttributeTableGenerator(attributes()));
            }
            return generator.generate(content, (OutputAEADEncryptor) encryptor).getEncoded();
        }
        if (asked.has("stream")) {
            CMSEnvelopedDataStreamGenerator generator = new CMSEnvelopedDataStreamGenerator();
            generator.setBufferSize(16);
            generator.setBEREncodeRecipients(true);
            Recipients.add(generator, asked);
            ByteArrayOutputStream out = new ByteArrayOutputStream();
            Signing.pieces(generator.open(out, encryptor), asked.one("content"));
            return out.toByteArray();
        }
        CMSEnvelopedDataGenerator generator = new CMSEnvelopedDataGenerator();
        Recipients.add(generator, asked);
        return generator.generate(content, encryptor).getEncoded();
    }

    private static AttributeTable attributes() {
        Hashtable<ASN1ObjectIdentifier, Attribute> found = new Hashtable<>();
        found.put(
                CMSAttributes.signingTime,
                new Attribute(CMSAttributes.signingTime, new DERSet(new Time(new Date()))));
        found.put(
                CMSAttributes.contentType,
                new Attribute(
                        CMSAttributes.contentType, new DERSet(PKCSObjectIdentifiers.data)));
        return new AttributeTable(found);
    }

    // --- reading

    static byte[] decrypt(Peer.Question asked) throws Exception {
        byte[] cms = asked.one("cms");
        if (asked.has("young")) {
            return Derived.open(asked);
        }
        if (asked.has("auth")) {
            return open(new CMSAuthEnvelopedData(cms).getRecipientInfos(), asked, true);
        }
        if (asked.has("stream")) {
            return open(new CMSEnvelopedDataParser(cms).getRecipientInfos(), asked, false);
        }
        return open(new CMSEnvelopedData(cms).getRecipientInfos(), asked, false);
    }

    static byte[] open(
            RecipientInformationStore recipients, Peer.Question asked, boolean tag)
            throws Exception {
        for (RecipientInformation each : recipients.getRecipients()) {
            Recipient mine = mine(each, asked, tag);
            if (mine != null) {
                return each.getContent(mine);
            }
        }
        throw new Peer.Refusal("none of the recipients is me");
    }

    private static Recipient mine(RecipientInformation each, Peer.Question asked, boolean tag)
            throws Exception {
        if (each instanceof PasswordRecipientInformation && !asked.all("password").isEmpty()) {
            return Recipients.password(asked.text("password"));
        }
        if (each instanceof KEKRecipientInformation && !asked.all("kek").isEmpty()) {
            return Recipients.kek(new SecretKeySpec(asked.one("kek"), "AES"));
        }
        if (asked.all("key").isEmpty()) {
            return null;
        }
        X509CertificateHolder who = new X509CertificateHolder(asked.one("certificate"));
        PrivateKey key = Peer.key(asked.one("key"));
        if (!Recipients.named(each, who)) {
            return null;
        }
        if (each instanceof KeyTransRecipientInformation) {
            return Recipients.transport(key, tag);
        }
        if (each instanceof KeyAgreeRecipientInformation) {
            return Recipients.agreement(key, each.getKeyEncryptionAlgOID());
        }
        return null;
    }
}
